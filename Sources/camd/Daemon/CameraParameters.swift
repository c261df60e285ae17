import LinuxSystem
import Varlink

/// The parameters of a method; one that it does not know is an error.
protocol MethodParameters: Decodable {
    static var names: Set<String> { get }
}

struct NoParameters: MethodParameters {
    static let names: Set<String> = []
}

struct StartParameters: MethodParameters {
    static let names: Set<String> = ["file", "encoder", "camera"]
    var file: String
    var encoder: String?
    var camera: String?
}

struct StopParameters: MethodParameters {
    static let names: Set<String> = ["camera"]
    var camera: String?
}

struct SnapshotParameters: MethodParameters {
    static let names: Set<String> = ["file", "quality", "camera"]
    var file: String
    var quality: Int?
    var camera: String?

    private enum CodingKeys: CodingKey { case file, quality, camera }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        file = try container.decode(String.self, forKey: .file)
        camera = try container.decodeIfPresent(String.self, forKey: .camera)
        guard let number = try container.decodeIfPresent(Double.self, forKey: .quality) else { return }
        // Foundation's error for a number that is not whole names no member.
        guard let whole = Int(exactly: number) else {
            throw DecodingError.typeMismatch(
                Int.self, .init(codingPath: [CodingKeys.quality], debugDescription: "not a whole number"))
        }
        quality = whole
    }
}

extension Call {
    /// The parameters; nil where they do not fit, in which case the call has been answered.
    func parameters<P: MethodParameters>(as type: P.Type) -> P? {
        let given = parameters.object ?? [:]
        if let unknown = given.keys.filter({ !P.names.contains($0) }).min() {
            fail(invalidParameter: unknown)
            return nil
        }
        do throws(JSONError) {
            return try parameters.decode(P.self)
        } catch {
            fail(invalidParameter: error.path.isEmpty ? "parameters" : error.path)
            return nil
        }
    }
}

/// What is checked of the values that users give, on both sides of the socket.
enum Limits {
    static let quality = 1...100
    static let defaultQuality = 90
    static let pathBytes = 4_095

    /// The endings of a photo's file name, and what goes with them.
    static func checkPhoto(_ file: String) throws(CamdError) {
        let name = file.lowercased()
        if name.hasSuffix(".jpg") || name.hasSuffix(".jpeg") { return }
        throw CamdError(
            .usage, subject: file, reason: "a photo's format goes by its file name, and this ending is not known",
            remedy: "There is JPEG: .jpg or .jpeg.")
    }

    static func checkQuality(_ quality: Int) throws(CamdError) {
        if Self.quality.contains(quality) { return }
        throw CamdError(.usage, subject: "quality \(quality)", reason: "a JPEG's quality is from 1 to 100")
    }

    /// A path that came over the socket: the daemon's own folder is not the client's.
    static func checkPath(_ file: String) throws(CamdError) {
        if file.hasPrefix("/"), file.utf8.count <= pathBytes, !file.utf8.contains(0) { return }
        throw CamdError(
            .usage, subject: file.isEmpty ? "file" : String(file.prefix(200)),
            reason: "the daemon takes absolute paths of at most \(pathBytes) bytes, without NUL")
    }
}
