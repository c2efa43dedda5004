/// The version of this program, and of every part of it. It is said here and nowhere else.
package enum SpindleVersion {
    package static let current = "1.0.0"
}
