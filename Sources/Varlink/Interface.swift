import LinuxSystem

/// What a service says of itself in `org.varlink.service.GetInfo`.
public struct ServiceInfo: Sendable {
    public var vendor: String
    public var product: String
    public var version: String
    public var url: String

    public init(vendor: String, product: String, version: String, url: String) {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}

/// The interfaces of a service: their texts, and a handler for each method.
struct Interfaces {
    typealias Handler = (Call) -> Void

    /// The interface that every Varlink service has.
    static let serviceName = "org.varlink.service"

    private struct Entry {
        var text: String
        var handlers: [String: Handler] = [:]
    }

    private let info: ServiceInfo
    private var entries: [String: Entry] = [Self.serviceName: Entry(text: Self.serviceText)]

    init(info: ServiceInfo) { self.info = info }

    mutating func add(_ name: String, text: String) { entries[name] = Entry(text: text) }

    mutating func handle(_ method: String, _ handler: @escaping Handler) {
        let (interface, name) = Self.split(method) ?? ("", method)
        entries[interface, default: Entry(text: "")].handlers[name] = handler
    }

    /// Answers the call, or hands it to whom it belongs.
    func dispatch(_ call: Call) {
        guard let (interface, name) = Self.split(call.method) else { return _ = call.fail(invalidParameter: "method") }
        guard let entry = entries[interface] else {
            return _ = call.fail(ServiceError.interfaceNotFound, ["interface": .string(interface)])
        }
        if let handler = entry.handlers[name] { return handler(call) }
        switch (interface, name) {
        case (Self.serviceName, "GetInfo"): getInfo(call)
        case (Self.serviceName, "GetInterfaceDescription"): getDescription(call)
        default:
            let isKnown = Self.methods(of: entry.text).contains(name)
            call.fail(
                isKnown ? ServiceError.methodNotImplemented : ServiceError.methodNotFound,
                ["method": .string(call.method)])
        }
    }

    private func getInfo(_ call: Call) {
        let others = entries.keys.filter { $0 != Self.serviceName }.sorted()
        call.reply([
            "vendor": .string(info.vendor), "product": .string(info.product), "version": .string(info.version),
            "url": .string(info.url),
            "interfaces": .array(([Self.serviceName] + others).map(JSONValue.string)),
        ])
    }

    private func getDescription(_ call: Call) {
        guard let name = call.parameters["interface"]?.string else {
            return _ = call.fail(invalidParameter: "interface")
        }
        guard let entry = entries[name] else {
            return _ = call.fail(ServiceError.interfaceNotFound, ["interface": .string(name)])
        }
        call.reply(["description": .string(entry.text)])
    }

    /// `a.b.Method` in two; nil where one of them would be empty.
    private static func split(_ method: String) -> (interface: String, name: String)? {
        guard let dot = method.lastIndex(of: ".") else { return nil }
        let interface = method[..<dot]
        let name = method[method.index(after: dot)...]
        return interface.isEmpty || name.isEmpty ? nil : (String(interface), String(name))
    }

    /// The names of the methods that an interface's text declares, each on a line of its own.
    private static func methods(of text: String) -> Set<String> {
        var names: Set<String> = []
        for line in text.split(separator: "\n") where line.hasPrefix("method ") {
            names.insert(String(line.dropFirst("method ".count).prefix { $0 != "(" && $0 != " " }))
        }
        return names
    }

    static let serviceText = """
        # What every Varlink service has: what it is, and which interfaces it speaks.
        interface org.varlink.service

        # The service, and the names of its interfaces.
        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        # The text of one of its interfaces.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # The service has no such interface.
        error InterfaceNotFound (interface: string)

        # The interface has no such method.
        error MethodNotFound (method: string)

        # The interface has the method, this service does not.
        error MethodNotImplemented (method: string)

        # A parameter is missing, unknown, or not of its type.
        error InvalidParameter (parameter: string)

        # This user may not call that.
        error PermissionDenied ()

        # The method answers only calls with "more".
        error ExpectedMore ()

        """
}
