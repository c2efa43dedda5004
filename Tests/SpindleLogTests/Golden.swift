/// Checksums of the golden vectors, computed bit by bit by another program (Python, from the format's description alone).
enum Golden {
    static let segmentHeaderCRC = "9ea32c4f"
    static let firstHeaderCRC = "b34ff9ab"
    static let firstEntryCRC = "154ca65f"
    static let secondCRC = "5923c637"
    static let checkpointCRCs = "8ab2288c415fad91"
}
