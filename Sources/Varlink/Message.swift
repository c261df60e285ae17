import LinuxSystem

/// A call as it comes over the wire.
struct Request: Sendable, Equatable {
    var method: String
    /// Always an object.
    var parameters: [String: JSONValue] = [:]
    var more = false
    var oneway = false
    var upgrade = false

    init(method: String, parameters: [String: JSONValue] = [:], more: Bool = false, oneway: Bool = false) {
        self.method = method
        self.parameters = parameters
        self.more = more
        self.oneway = oneway
    }

    /// Reads a message. Members that Varlink does not know are let be: its specification leaves room for them.
    init(parsing message: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard let members = try JSONValue(parsing: message, limits: limits).object else {
            throw JSONError(path: "", reason: "a call is an object")
        }
        guard let name = members["method"] else { throw JSONError(path: "method", reason: "is missing") }
        guard let method = name.string else { throw JSONError(path: "method", reason: "is not a string") }
        self.method = method
        switch members["parameters"] ?? .null {
        case .null: parameters = [:]
        case .object(let object): parameters = object
        default: throw JSONError(path: "parameters", reason: "is not an object")
        }
        more = try Self.flag("more", members)
        oneway = try Self.flag("oneway", members)
        upgrade = try Self.flag("upgrade", members)
    }

    private static func flag(_ name: String, _ members: [String: JSONValue]) throws(JSONError) -> Bool {
        switch members[name] ?? .null {
        case .null: return false
        case .bool(let value): return value
        default: throw JSONError(path: name, reason: "is not true or false")
        }
    }

    /// The message, with its NUL.
    var encoded: [UInt8] {
        var members: [String: JSONValue] = ["method": .string(method), "parameters": .object(parameters)]
        if more { members["more"] = true }
        if oneway { members["oneway"] = true }
        return JSONValue.object(members).encoded + [0]
    }
}

/// An answer as it comes over the wire.
public struct Reply: Sendable, Equatable {
    /// Always an object.
    public var parameters: JSONValue = [:]
    /// More replies to the same call follow.
    public var continues = false
    /// The error's full name, where the call failed; its parameters are then those of the error.
    public var error: String?

    init(parameters: JSONValue = [:], continues: Bool = false, error: String? = nil) {
        self.parameters = parameters
        self.continues = continues
        self.error = error
    }

    init(parsing message: [UInt8], limits: JSONLimits = JSONLimits(depth: 64, values: 262_144)) throws(JSONError) {
        guard let members = try JSONValue(parsing: message, limits: limits).object else {
            throw JSONError(path: "", reason: "a reply is an object")
        }
        switch members["parameters"] ?? .null {
        case .null: parameters = [:]
        case .object(let object): parameters = .object(object)
        default: throw JSONError(path: "parameters", reason: "is not an object")
        }
        switch members["continues"] ?? .null {
        case .null: continues = false
        case .bool(let value): continues = value
        default: throw JSONError(path: "continues", reason: "is not true or false")
        }
        switch members["error"] ?? .null {
        case .null: error = nil
        case .string(let name): error = name
        default: throw JSONError(path: "error", reason: "is not a string")
        }
    }

    /// The message, with its NUL.
    var encoded: [UInt8] {
        var members: [String: JSONValue] = ["parameters": parameters]
        if continues { members["continues"] = true }
        if let error { members["error"] = .string(error) }
        return JSONValue.object(members).encoded + [0]
    }
}

/// The errors that every Varlink service knows.
public enum ServiceError {
    /// With `interface`.
    public static let interfaceNotFound = "org.varlink.service.InterfaceNotFound"
    /// With `method`.
    public static let methodNotFound = "org.varlink.service.MethodNotFound"
    /// With `method`: the interface has it, this service does not.
    public static let methodNotImplemented = "org.varlink.service.MethodNotImplemented"
    /// With `parameter`.
    public static let invalidParameter = "org.varlink.service.InvalidParameter"
    public static let permissionDenied = "org.varlink.service.PermissionDenied"
    /// The method answers only calls with `more`.
    public static let expectedMore = "org.varlink.service.ExpectedMore"
}
