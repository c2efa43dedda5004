extension ClusterConfiguration {
    /// What runs when no configuration is given: one PC, everything on it.
    /// - Throws: never with the text below, which a test parses.
    package static var poc: ClusterConfiguration {
        get throws(ConfigurationErrors) { try parse(yaml: pocText, fileName: "cluster-config/poc.yaml") }
    }

    /// The text of cluster-config/poc.yaml: the two are the same to the byte, which a test checks. It is here as well so
    /// that the executable needs no file beside it.
    package static let pocText = #"""
        # yaml-language-server: $schema=schema.json
        #
        # One PC, everything on it: broker, web server, workers and the simulated ESPRIT add-in.
        # This text is also what `spindle up` uses when no --config is given.
        # Check your changes with: spindle config check cluster-config/poc.yaml
        #
        # Durations: 250ms, 30s, 5m, 2h, 7d. Sizes: 512 B, 64 KiB, 16 MiB, 8 GiB, 1 TiB. "none" switches a limit off.
        # Paths that do not start with / are taken from dataDirectory.

        cluster: poc
        dataDirectory: spindle-data

        hosts:
          - name: local
            address: 127.0.0.1

        brokers:
          - name: broker-1
            host: local
            # 7400 plaintext (this PC only), 7401 TLS, 7402 web, 7403 operations (/metrics, /healthz, /readyz).
            portBase: 7400
            limits:
              connections: 10000
              frameBytes: 16 MiB
              inFlight: 10000
              outputBuffer: 8 MiB

        defaults:
          # Every queue starts from this, also one that a client declares; a queue's own policy overrides single keys.
          queue:
            lease: 60s
            leaseMax: 12h
            attemptsMax: 5
            backoff:
              kind: exponential
              initial: 2s
              cap: 5m
              jitter: 0.2
            deadLetterQueue: "{queue}.dead"
            deadLetterTopic: none
            delay: 0s
            timeToLive: none
            lengthMax: 10000000
            bytesMax: 16 GiB
            deduplicationWindow: 10m
            orderedGroups: false
            priorities: true
            fairGroups: false
            concurrency: none
            concurrencyPerGroup: none
            ratePerSecond: none
            ratePerSecondPerGroup: none
            resultRetention: none
          # What differs for the queues that collect dead letters.
          deadLetterQueue:
            attemptsMax: none
            timeToLive: 90d
            deduplicationWindow: none
          topic:
            age: 7d
            bytes: none
            count: 100000

        queues:
          # Commands to the ESPRIT add-in. Generating a toolpath takes minutes, so the lease is long; the add-in extends it.
          - name: esprit-gen
            policy:
              lease: 5m
              attemptsMax: 3
              backoff: {kind: exponential, initial: 10s, cap: 10m, jitter: 0.2}
              deduplicationWindow: 1h
              deadLetterTopic: message.dead
          # What the add-in answers.
          - name: addin-result
            policy:
              attemptsMax: 8
              deadLetterTopic: message.dead
          # Finished uploads on their way into the content-addressed store. Up to 20 GB each.
          - name: file-ingest
            policy:
              lease: 10m
              attemptsMax: 5
              backoff: {kind: exponential, initial: 5s, cap: 10m, jitter: 0.2}
              deadLetterTopic: message.dead
          # Files whose digest did not match: another try, later and less often.
          - name: storage-retry
            policy:
              lease: 10m
              attemptsMax: 5
              backoff: {kind: exponential, initial: 30s, cap: 30m, jitter: 0.3}
              delay: 30s
              deadLetterTopic: message.dead
          # Chunks that an upload still lacks.
          - name: missingParts
            policy:
              lease: 2m
              attemptsMax: 5
          # Payloads that nothing refers to any more.
          - name: cas-gc
            policy:
              lease: 5m
              attemptsMax: 10
              backoff: {kind: exponential, initial: 10s, cap: 30m, jitter: 0.2}

        topics:
          - pattern: addin.job.created
          - pattern: addin.job.updated
          - pattern: routing.created
          - pattern: routing.approval.changed
          - pattern: file.updated
          - pattern: notification.alert
          # Commands and results that died: their jobs have failed.
          - pattern: message.dead

        # role: what a principal may do over HTTP (viewer, approver, operator, admin, addin, bff, none); permissions: at the broker.
        principals:
          # Everything. For operators and the `spindle` command line.
          - name: admin
            role: admin
            permissions:
              publish: ["*"]
              lease: ["*"]
              read: ["*"]
              admin: ["*"]
              topicPublish: ["*"]
              topicSubscribe: ["*"]
          # Leases what its groups work on; the outbox, which workers and web send from alike, goes to six queues and six topics.
          # It is told of dead messages, looks at them, and cancels commands whose jobs have ended.
          - name: worker
            role: viewer
            permissions:
              publish: [esprit-gen, addin-result, file-ingest, storage-retry, missingParts, cas-gc]
              lease: [addin-result, file-ingest, storage-retry, missingParts, cas-gc]
              read: [esprit-gen.dead, addin-result.dead, file-ingest.dead, storage-retry.dead]
              admin: [esprit-gen]
              topicPublish: [addin.job.created, addin.job.updated, routing.created, routing.approval.changed, file.updated, notification.alert]
              topicSubscribe: [message.dead]
          # The ESPRIT add-in takes commands and answers them, nothing else.
          - name: addin
            role: addin
            permissions:
              lease: [esprit-gen]
              publish: [addin-result]
          # Acts for the people who use it: what they do carries their names. It asks for operators too, whose roles it checks itself.
          - name: web
            role: approver
            permissions:
              publish: [esprit-gen, addin-result, file-ingest, storage-retry, missingParts, cas-gc]
              read: ["*"]
              admin: ["*"]
              topicPublish: [addin.job.created, addin.job.updated, routing.created, routing.approval.changed, file.updated, notification.alert]
              topicSubscribe: [addin.job.created, addin.job.updated, routing.created, routing.approval.changed, file.updated, notification.alert]
              actFor: true

        workers:
          - name: results
            host: local
            principal: worker
            queues: [addin-result]
            concurrency: 4
            processes: 1
          - name: files
            host: local
            principal: worker
            queues: [file-ingest, storage-retry, missingParts, cas-gc]
            concurrency: 2
            processes: 1

        # What web servers and workers open.
        domain:
          database: mcms/mcms.sqlite
          # Retries that no queue's policy says: of rows that the broker refuses, and of output that is not on the share yet.
          outbox: {attemptsMax: 50, initial: 200ms, cap: 5m}
          outputAttemptsMax: 3
          # How long people stay signed in: without doing anything, and at all.
          sessions: {idle: 12h, absolute: 30d}

        # The share is what people know as W:\. Web servers, workers and the simulated add-in run on these hosts only.
        files:
          hosts: [local]
          share: mcms/share
          # What Windows calls it; also a UNC prefix such as '\\files\cam'.
          windowsRoots: ['W:\']
          # Uploads, payloads and refs. On this disk so much is kept free for everything else.
          store: files
          uploadMax: 20 GiB
          keepFree: 1 GiB
          uploadExpiry: 7d
          uploadsOpenMax: 1000
          garbageGrace: 1d
          retriesMax: 5
          # For this trial only: nobody looks for viruses. See docs/files.md for clamd and others.
          scanner: none

        webs:
          - name: web
            host: local
            principal: web
            port: 7402
            listen: 127.0.0.1
            # For this trial only, until somebody has an account: one click signs you in on this PC. Never put a proxy in front of it.
            signInVisitors: true

        # The simulated add-in: runs the approve → generate flow without ESPRIT.
        addin:
          enabled: true
          host: local
          principal: addin
          queue: esprit-gen
          resultQueue: addin-result
          workDuration: 4s
          failureRatio: 0.0
          # Shorter than the queue's: when it dies, its command is ready again this soon.
          lease: 10s

        """#
}
