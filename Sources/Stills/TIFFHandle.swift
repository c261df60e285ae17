import CTIFF
import Glibc
import LinuxSystem

/// An open TIFF file of libtiff, and what libtiff said of it first. Nothing of that goes to stderr, and nothing is
/// mapped: a file that shrinks meanwhile gives an error, not a signal.
struct TIFFHandle: ~Copyable {
    let file: OpaquePointer
    let path: String
    private let words: UnsafeMutablePointer<ctiff_words>
    private let descriptor: FileDescriptor

    enum Mode: String {
        /// Reads, without mapping the file.
        case read = "rm"
        case writeLittleEndian = "wlm"
        case writeBigEndian = "wbm"
    }

    /// Takes over an open file (TIFFFdOpenExt), and reads its first directory if it is to be read.
    /// - Parameter mostMemory: bytes of the largest piece of memory that libtiff may ask for.
    init(
        _ descriptor: consuming FileDescriptor, _ path: String, _ mode: Mode, mostMemory: Int
    ) throws(CamdError) {
        let words = UnsafeMutablePointer<ctiff_words>.allocate(capacity: 1)
        words.initialize(to: ctiff_words())
        Glibc.errno = 0
        guard let file = ctiff_open(descriptor.rawValue, path, mode.rawValue, tmsize_t(mostMemory), words) else {
            defer { words.deallocate() }
            throw Self.error(
                words, path, isReading: mode == .read, "TIFFFdOpenExt", "it cannot be opened as a TIFF file")
        }
        self.file = file
        self.path = path
        self.words = words
        self.descriptor = descriptor
    }

    deinit {
        TIFFCleanup(file)
        words.deallocate()
    }

    /// Forgets what libtiff said: what follows is another matter.
    func forget() {
        words.pointee.line.0 = 0
        words.pointee.ignored.0 = 0
        Glibc.errno = 0
    }

    /// The error of a call that failed while reading: what libtiff said since `forget`, after `reason`.
    func readError(_ call: String, _ reason: String) -> CamdError {
        Self.error(words, path, isReading: true, call, reason)
    }

    /// The same of a call that failed while writing.
    func writeError(_ call: String, _ reason: String) -> CamdError {
        Self.error(words, path, isReading: false, call, reason)
    }

    /// What libtiff said, since `forget`, of tags that are there and that it left out.
    var ignoredTags: [String] {
        withUnsafeBytes(of: &words.pointee.ignored) { bytes in
            bytes.prefix { $0 != 0 }.split(separator: UInt8(ascii: "\n")).map { Self.text($0) }
        }
    }

    /// Without what could harm a terminal: the file's own text may be in it.
    private static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { (0x20...0x7e).contains($0) ? $0 : 0x3f }, as: UTF8.self)
    }

    private static func error(
        _ words: UnsafeMutablePointer<ctiff_words>, _ path: String, isReading: Bool, _ call: String, _ reason: String
    ) -> CamdError {
        let line = withUnsafeBytes(of: &words.pointee.line) { text($0) }
        let errno = Errno(words.pointee.error)
        // Any other number is left over from something else.
        if !line.isEmpty, [.inputOutput, .noSpace, .quotaExceeded, .readOnly, Errno(EFBIG), .noDevice].contains(errno) {
            return isReading
                ? FileErrors.reading(path, call: "read", errno: errno)
                : FileErrors.writing(path, call: "write", errno: errno)
        }
        return CamdError(
            isReading ? .badData : .software, subject: path, call: call,
            reason: line.isEmpty ? reason : "\(reason): \(line)",
            remedy: isReading ? "The file is damaged or was not written to its end; copy it anew." : nil)
    }
}
