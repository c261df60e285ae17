import CTIFF
import CaptureCore
import LinuxSystem

/// Reads raw photos in Adobe's format. Nothing in a file is trusted: it may be damaged, cut off or made to do harm.
///
/// What is read: Bayer mosaics in all four orders in the first directory or in one of its SubIFDs, of 8 to 16 bits in
/// strips or tiles, uncompressed or compressed with lossless JPEG, deflate, LZW or PackBits.
public enum DNGFile {
    /// The most pixels each way.
    public static let mostPixels = 16_384
    /// The most strips or tiles.
    static let mostBlocks = 1 << 20
    /// The most SubIFDs that are looked into.
    static let mostDirectories = 32

    /// Reads the frame that a DNG file is about, without its margins that see no light (ActiveArea).
    /// - Throws: `.noInput` or `.noPermission` for what cannot be opened, `.badData` for what cannot be read; the subject
    ///   is the path.
    public static func read(_ path: String) throws(CamdError) -> RawFrame {
        let input = try InputFile(path)
        guard input.size > 0 else {
            throw CamdError(
                .badData, subject: path, reason: "it is empty", remedy: "It was not written to its end; copy it anew.")
        }
        // libtiff turns bytes into numbers of up to 8 bytes.
        let memory = min(1 << 30, (1 << 24) + 16 * input.size)
        let tiff = try TIFFHandle(try input.descriptor.duplicate(), path, .read, mostMemory: memory)
        let directory = DNGDirectory(file: tiff.file, path: path)
        try checkTags(tiff)
        try directory.checkVersion()
        var color = try directory.color()
        let orientation = directory.orientation()
        let (make, model) = (directory.text(TIFFTAG_MAKE), directory.text(TIFFTAG_MODEL))
        try selectRaw(tiff, directory)
        try checkTags(tiff)
        let mosaic = try DNGMosaic(directory, fileSize: input.size)
        var frame = try mosaic.read(tiff)
        if color.calibrations.isEmpty, let own = try? directory.color(), !own.calibrations.isEmpty { color = own }
        frame.color = color
        frame.orientation = orientation
        frame.make = make
        frame.model = model
        return frame
    }

    /// libtiff goes on without a tag that it cannot read. Without one of these a picture would be wrong, and one that
    /// lies behind the file's end shows that the file was cut off.
    private static func checkTags(_ tiff: borrowing TIFFHandle) throws(CamdError) {
        let ignored = tiff.ignoredTags.first { line in
            line.hasPrefix("IO error") || DNGDirectory.namesThatCount.contains { line.contains("\"\($0)\"") }
        }
        guard let ignored else { return }
        throw CamdError(
            .badData, subject: tiff.path, call: "TIFFReadDirectory", reason: ignored,
            remedy: "The file is damaged or was not written to its end; copy it anew.")
    }

    /// Goes to the directory of the raw image: the first one of those with a mosaic that is no smaller version of it.
    private static func selectRaw(_ tiff: borrowing TIFFHandle, _ directory: DNGDirectory) throws(CamdError) {
        if directory.isRaw { return }
        var seen = [directory.kind]
        let offsets = directory.numbers(TIFFTAG_SUBIFD, most: mostDirectories) ?? []
        for offset in offsets where offset > 0 && offset < 0x1p53 {
            tiff.forget()
            guard TIFFSetSubDirectory(tiff.file, UInt64(offset)) == 1 else {
                seen.append(tiff.readError("TIFFSetSubDirectory", "one is not readable").reason)
                continue
            }
            if directory.isRaw { return }
            seen.append(directory.kind)
        }
        var kinds: [String] = []
        for kind in seen where !kinds.contains(kind) && kinds.count < 5 { kinds.append(kind) }
        throw CamdError(
            .badData, subject: tiff.path, reason: "there is no raw mosaic in it, only \(kinds.joined(separator: ", "))",
            remedy: "Give a DNG with the sensor's own numbers in it, not one that was converted to linear RGB.")
    }
}
