import LinuxSystem

/// How a `CamdError` travels: as the error `Failed` of the interface that was called, with all that it knows, so that
/// the program at the other end says the same words and ends with the same code.
extension CamdError {
    /// The last part of the error's name.
    static let failureName = "Failed"

    /// The names of the kinds; the interface's text lists them as `Kind`.
    static let kindNames: [(Kind, String)] = [
        (.usage, "usage"), (.badData, "bad_data"), (.noInput, "no_input"), (.unavailable, "unavailable"),
        (.software, "software"), (.system, "system"), (.cannotCreate, "cannot_create"),
        (.inputOutput, "input_output"), (.temporary, "temporary"), (.protocolViolation, "protocol_violation"),
        (.noPermission, "no_permission"), (.configuration, "configuration"),
    ]

    /// The parameters of the error `Failed`.
    public var parameters: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(Self.kindNames.first { $0.0 == kind }?.1 ?? "software"),
            "subject": .string(subject), "reason": .string(reason),
        ]
        if let call { members["call"] = .string(call) }
        if let errno { members["errno"] = .integer(Int64(errno.rawValue)) }
        if let remedy { members["remedy"] = .string(remedy) }
        return .object(members)
    }

    /// An error reply as the error that it stands for. `service` is the socket's path.
    init(errorName name: String, parameters: JSONValue, method: String, service: String) {
        if name.hasSuffix("." + Self.failureName), let failure = Self.failure(parameters) {
            self = failure
            return
        }
        let interface = method.lastIndex(of: ".").map { String(method[..<$0]) } ?? method
        let describe = "camd call org.varlink.service.GetInterfaceDescription '{\"interface\":\"\(interface)\"}'"
        switch name {
        case ServiceError.permissionDenied:
            self.init(
                .noPermission, subject: service, call: method, reason: "the daemon does not let this user do that",
                remedy: "Run it as the daemon's own user or as root.")
        case ServiceError.invalidParameter:
            self.init(
                .usage, subject: service, call: method,
                reason: "the daemon does not take the parameter \(parameters["parameter"]?.string ?? "that was given")",
                remedy: "See: \(describe)")
        case ServiceError.interfaceNotFound:
            self.init(
                .unavailable, subject: service, call: method,
                reason: "the service has no interface \(parameters["interface"]?.string ?? "of that name")",
                remedy: "See: camd call org.varlink.service.GetInfo")
        case ServiceError.methodNotFound, ServiceError.methodNotImplemented:
            self.init(
                .unavailable, subject: service, call: method,
                reason: "the daemon has no method \(parameters["method"]?.string ?? "of that name")",
                remedy: "See: \(describe)")
        case ServiceError.expectedMore:
            self.init(
                .usage, subject: service, call: method, reason: "this method gives more than one reply",
                remedy: "Call it with --more.")
        default:
            self.init(.protocolViolation, subject: service, call: method, reason: "\(name) \(parameters.text)")
        }
    }

    private static func failure(_ parameters: JSONValue) -> CamdError? {
        guard let subject = parameters["subject"]?.string, let reason = parameters["reason"]?.string else { return nil }
        let kindName = parameters["kind"]?.string
        return CamdError(
            kindNames.first { $0.1 == kindName }?.0 ?? .software, subject: subject, call: parameters["call"]?.string,
            errno: parameters["errno"]?.integer.map { Errno(CInt(clamping: $0)) }, reason: reason,
            remedy: parameters["remedy"]?.string)
    }
}
