import LinuxSystem

/// A shared wake-up: several threads signal it, one polls it (eventfd(2)).
public final class EventCounter: Sendable {
    private let event: EventFD

    public init() throws(CamdError) { event = try EventFD() }

    public var fileDescriptor: Int32 { event.descriptor.rawValue }
    public func signal() { event.signal() }
    public func clear() { event.clear() }
}
