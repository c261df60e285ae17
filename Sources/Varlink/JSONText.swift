import FoundationEssentials
import LinuxSystem

/// What is wrong with a JSON text, or with a value that should have been of another type.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The member it is about, e.g. `parameters.file` or `list[2]`; empty for the whole.
    public var path: String
    /// Why, in words.
    public var reason: String

    public var description: String { path.isEmpty ? reason : "\(path): \(reason)" }
}

/// How much a JSON text may ask of its reader. Each bound is checked before anything is built.
public struct JSONLimits: Sendable {
    /// Arrays and objects inside each other.
    public var depth: Int
    /// Values in all, members' names included.
    public var values: Int

    public init(depth: Int = 32, values: Int = 16_384) {
        self.depth = depth
        self.values = values
    }

    /// For text that camd wrote itself.
    static let trusted = JSONLimits(depth: 256, values: .max)
}

extension JSONValue {
    /// Reads a whole JSON text, in UTF-8, without a byte order mark.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try Self.check(bytes, limits)
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw JSONError(error)
        }
    }

    /// Any value that can be encoded, as JSON.
    public init(encoding value: some Encodable) throws(JSONError) {
        let data: Data
        do {
            data = try JSONEncoder().encode(value)
        } catch {
            throw JSONError(error)
        }
        try self.init(parsing: Array(data), limits: .trusted)
    }

    /// As a value of another type; the error names the member that does not fit.
    public func decode<Value: Decodable>(_ type: Value.Type) throws(JSONError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(encoded))
        } catch {
            throw JSONError(error)
        }
    }

    /// The text: one line, no NUL byte, members in the order of their names.
    public var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // encode(to:) above never throws, and every string of Swift's is valid.
        guard let data = try? encoder.encode(self) else { return Array("null".utf8) }
        return Array(data)
    }

    /// The same as a string.
    public var text: String { String(decoding: encoded, as: UTF8.self) }

    /// Counts before the decoder builds anything: a message of a megabyte could hold half a million values, or open a
    /// bracket with each byte. It also keeps the decoder from taking the text for UTF-16 or UTF-32.
    private static func check(_ bytes: [UInt8], _ limits: JSONLimits) throws(JSONError) {
        guard let first = bytes.first else { throw JSONError(path: "", reason: "an empty text is not JSON") }
        guard first < 0x80 else { throw JSONError(path: "", reason: "JSON does not begin with byte \(first)") }
        var depth = 0
        var values = 1
        var inString = false
        var escaped = false
        var previous: UInt8 = 0
        for byte in bytes {
            if byte == 0 { throw JSONError(path: "", reason: "there is a NUL byte in it") }
            if inString {
                if escaped {
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                inString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                values += 1
                if depth > limits.depth {
                    throw JSONError(path: "", reason: "more than \(limits.depth) arrays and objects inside each other")
                }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                // Foundation's decoder lets it pass.
                if previous == UInt8(ascii: ",") { throw JSONError(path: "", reason: "a comma with nothing after it") }
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                values += 1
            default:
                break
            }
            if byte > 0x20 { previous = byte }
            if values > limits.values { throw JSONError(path: "", reason: "more than \(limits.values) values") }
        }
    }
}

extension JSONError {
    /// The decoder's and the encoder's errors in few words.
    init(_ error: any Error) {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            self.init(path: Self.path(context.codingPath + [key]), reason: "is missing")
        case DecodingError.valueNotFound(let type, let context):
            self.init(path: Self.path(context.codingPath), reason: "is null, \(Self.name(type)) is wanted")
        case DecodingError.typeMismatch(let type, let context):
            self.init(path: Self.path(context.codingPath), reason: "is not \(Self.name(type))")
        case DecodingError.dataCorrupted(let context):
            var reason = "is not valid JSON"
            if let inner = context.underlyingError {
                reason += ": \(inner)"
            } else if !context.codingPath.isEmpty {
                reason = context.debugDescription
            }
            self.init(path: Self.path(context.codingPath), reason: reason)
        case EncodingError.invalidValue(let value, let context):
            self.init(path: Self.path(context.codingPath), reason: "\(value) has no JSON form")
        default:
            self.init(path: "", reason: "\(error)")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        var path = ""
        for key in keys {
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += (path.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return path
    }

    private static func name(_ type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "a whole number that fits"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [String: JSONValue].Type: "an object"
        default: "\(type)".hasPrefix("Array") ? "an array" : "an object"
        }
    }
}
