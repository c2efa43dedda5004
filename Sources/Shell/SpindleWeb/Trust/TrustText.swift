/// What `/trust` says, in one language. What stands between two backquotes is shown as code.
package struct TrustText: Sendable {
    /// A kind of device or browser: its steps, in their order.
    package struct Guide: Sendable {
        package let system: TrustSystem
        package let title: String
        package let steps: [String]
    }

    package let title: String
    package let introduction: String
    package let checkTitle: String
    package let check: [String]
    package let nameLabel: String
    package let endLabel: String
    package let sha1Label: String
    package let downloadTitle: String
    package let certificate: String
    package let profile: String
    package let pem: String
    package let guides: [Guide]
    package let consoleTitle: String
    package let console: String
    package let codeTitle: String
    package let otherLanguage: String
    package let noAuthorityTitle: String
    package let noAuthority: String

    package static func of(_ language: TrustLanguage) -> TrustText { language == .korean ? korean : english }

    package static let english = TrustText(
        title: "Trust this server",
        introduction: """
            The console is encrypted with a certificate of your company's own authority. Browsers do not know that authority yet, so they \
            warn. Install it once on each device, and open the console without a warning.
            """,
        checkTitle: "First: compare the fingerprint",
        check: [
            "Get the SHA-256 fingerprint from your administrator: in person, by telephone, or on paper. It is not secret.",
            "Install the authority only if the dialog of your device shows the same one. Whoever could forge this page could forge the one below too.",
            "Administrators: `spindle cert trust` prints it on the server.",
        ],
        nameLabel: "Authority", endLabel: "Valid until", sha1Label: "SHA-1 (Windows: thumbprint)", downloadTitle: "Download",
        certificate: "Certificate for Windows, Android, Firefox", profile: "Profile for iPhone, iPad, Mac", pem: "PEM, for Linux and programs",
        guides: [
            Guide(
                system: .windows, title: "Windows (Edge, Chrome)",
                steps: [
                    "Download the certificate and open the file `spindle-ca.crt`.",
                    "Details → Thumbprint: compare it. Or run `certutil -hashfile spindle-ca.crt SHA256`.",
                    "Install Certificate → Current User → Place all certificates in the following store → Trusted Root Certification Authorities.",
                    "Windows asks once more: Yes. Then close and open the browser.",
                    "For all users, as administrator: `certutil -addstore Root spindle-ca.crt`. In a domain, use a group policy.",
                ]),
            Guide(
                system: .macOS, title: "macOS (Safari, Chrome)",
                steps: [
                    "Download the profile and open it.",
                    "System Settings → General → Device Management: choose the profile, compare the fingerprint, Install.",
                    "Keychain Access → System: open the authority → Trust → When using this certificate: Always Trust.",
                ]),
            Guide(
                system: .iOS, title: "iPhone and iPad",
                steps: [
                    "Open this page in Safari and download the profile: Allow.",
                    "Settings → Profile Downloaded → More Details: compare the fingerprint → Install.",
                    "Settings → General → About → Certificate Trust Settings: switch the authority on.",
                ]),
            Guide(
                system: .android, title: "Android (Chrome)",
                steps: [
                    "Download the certificate.",
                    "Settings → Security → Encryption & credentials → Install a certificate → CA certificate → Install anyway: choose the file.",
                    "Trusted credentials → User: open the authority and compare the fingerprint. Remove it if it differs.",
                ]),
            Guide(
                system: .firefox, title: "Firefox",
                steps: [
                    "On Windows, macOS and Android, Firefox takes over what the system trusts: do the steps above, then start it again.",
                    "Otherwise click on the certificate → View: compare the fingerprint → Trust this CA to identify websites.",
                ]),
            Guide(
                system: .linux, title: "Linux (Chrome, Chromium)",
                steps: [
                    "Download the PEM file. `openssl x509 -in spindle-ca.pem -noout -fingerprint -sha256`: compare it.",
                    "For browsers: `certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n Spindle -i spindle-ca.pem` (package libnss3-tools).",
                    "For programs: copy it to `/usr/local/share/ca-certificates/spindle-ca.crt`, then `update-ca-certificates`.",
                ]),
        ],
        consoleTitle: "Then", console: "Open the console", codeTitle: "This page on another device", otherLanguage: "한국어",
        noAuthorityTitle: "Nothing to install",
        noAuthority: """
            This server has no certificate of the cluster's own authority: it is reached without HTTPS, or with a certificate of another \
            authority. If your browser warns, ask your administrator.
            """)

    package static let korean = TrustText(
        title: "이 서버를 신뢰하기",
        introduction: """
            콘솔은 회사 자체 인증 기관의 인증서로 암호화됩니다. 브라우저는 아직 이 인증 기관을 모르기 때문에 경고를 표시합니다. \
            기기마다 한 번만 설치하면 경고 없이 콘솔을 열 수 있습니다.
            """,
        checkTitle: "먼저: 지문을 비교하세요",
        check: [
            "관리자에게 SHA-256 지문을 직접, 전화로, 또는 종이로 받으세요. 비밀은 아닙니다.",
            "기기의 대화 상자에 같은 지문이 보일 때만 설치하세요. 이 페이지를 위조할 수 있는 사람은 아래의 지문도 위조할 수 있습니다.",
            "관리자: 서버에서 `spindle cert trust`를 실행하면 지문이 출력됩니다.",
        ],
        nameLabel: "인증 기관", endLabel: "유효 기간", sha1Label: "SHA-1 (Windows: 지문)", downloadTitle: "내려받기",
        certificate: "인증서 (Windows, Android, Firefox)", profile: "프로파일 (iPhone, iPad, Mac)", pem: "PEM (Linux와 프로그램)",
        guides: [
            Guide(
                system: .windows, title: "Windows (Edge, Chrome)",
                steps: [
                    "인증서를 내려받아 `spindle-ca.crt` 파일을 여세요.",
                    "자세히 → 지문: 비교하세요. 또는 `certutil -hashfile spindle-ca.crt SHA256`을 실행하세요.",
                    "인증서 설치 → 현재 사용자 → 모든 인증서를 다음 저장소에 저장 → 신뢰할 수 있는 루트 인증 기관.",
                    "Windows가 한 번 더 물으면 예를 누르세요. 그다음 브라우저를 닫았다가 다시 여세요.",
                    "모든 사용자에게 적용하려면 관리자 권한으로 `certutil -addstore Root spindle-ca.crt`. 도메인에서는 그룹 정책을 쓰세요.",
                ]),
            Guide(
                system: .macOS, title: "macOS (Safari, Chrome)",
                steps: [
                    "프로파일을 내려받아 여세요.",
                    "시스템 설정 → 일반 → 기기 관리: 프로파일을 선택하고 지문을 비교한 뒤 설치하세요.",
                    "키체인 접근 → 시스템: 인증 기관을 열고 신뢰 → 이 인증서 사용 시: 항상 신뢰.",
                ]),
            Guide(
                system: .iOS, title: "iPhone, iPad",
                steps: [
                    "Safari에서 이 페이지를 열고 프로파일을 내려받으세요: 허용.",
                    "설정 → 프로파일이 다운로드됨 → 세부사항 더 보기: 지문을 비교하고 설치하세요.",
                    "설정 → 일반 → 정보 → 인증서 신뢰 설정: 인증 기관을 켜세요.",
                ]),
            Guide(
                system: .android, title: "Android (Chrome)",
                steps: [
                    "인증서를 내려받으세요.",
                    "설정 → 보안 → 암호화 및 사용자 인증 정보 → 인증서 설치 → CA 인증서 → 무시하고 설치: 파일을 선택하세요.",
                    "신뢰할 수 있는 사용자 인증 정보 → 사용자: 인증 기관을 열고 지문을 비교하세요. 다르면 삭제하세요.",
                ]),
            Guide(
                system: .firefox, title: "Firefox",
                steps: [
                    "Windows, macOS, Android의 Firefox는 시스템이 신뢰하는 것을 따릅니다: 위의 단계를 마치고 다시 시작하세요.",
                    "그 밖에는 인증서를 클릭하고 → 보기: 지문을 비교한 뒤 → 이 CA가 웹 사이트를 식별하는 것을 신뢰.",
                ]),
            Guide(
                system: .linux, title: "Linux (Chrome, Chromium)",
                steps: [
                    "PEM 파일을 내려받으세요. `openssl x509 -in spindle-ca.pem -noout -fingerprint -sha256`: 비교하세요.",
                    "브라우저: `certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n Spindle -i spindle-ca.pem` (libnss3-tools 패키지).",
                    "프로그램: `/usr/local/share/ca-certificates/spindle-ca.crt`로 복사한 뒤 `update-ca-certificates`.",
                ]),
        ],
        consoleTitle: "그다음", console: "콘솔 열기", codeTitle: "다른 기기에서 이 페이지 열기", otherLanguage: "English",
        noAuthorityTitle: "설치할 것이 없습니다",
        noAuthority: """
            이 서버에는 클러스터 자체 인증 기관의 인증서가 없습니다. HTTPS 없이 접속하거나 다른 인증 기관의 인증서를 씁니다. \
            브라우저가 경고하면 관리자에게 문의하세요.
            """)
}

/// What a guide is for.
package enum TrustSystem: String, Sendable, CaseIterable {
    case windows, macOS, iOS, android, firefox, linux

    /// Which guides a browser is shown open, by what it calls itself. None where that says nothing.
    package static func of(userAgent: String) -> Set<TrustSystem> {
        var systems: Set<TrustSystem> = []
        if userAgent.contains("Firefox/") { systems.insert(.firefox) }
        let marks: [(String, TrustSystem)] = [
            ("Android", .android), ("iPhone", .iOS), ("iPad", .iOS), ("Windows", .windows), ("Macintosh", .macOS), ("Linux", .linux),
        ]
        if let mark = marks.first(where: { userAgent.contains($0.0) }) { systems.insert(mark.1) }
        return systems
    }
}
