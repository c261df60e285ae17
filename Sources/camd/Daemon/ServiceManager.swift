import Glibc
import LinuxSystem

/// Tells the service manager how it is going (sd_notify(3)): one datagram to the socket that `$NOTIFY_SOCKET` names.
enum ServiceManager {
    /// `state`, e.g. `READY=1`. Does nothing where nobody wants to know.
    static func notify(_ state: String) throws(CamdError) {
        guard let name = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !name.isEmpty else { return }
        try notify(state, socket: name)
    }

    /// `name`: a path, or `@` and a name in the abstract name space.
    static func notify(_ state: String, socket name: String) throws(CamdError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"),
            bytes.count < MemoryLayout.size(ofValue: address.sun_path)
        else {
            throw CamdError(.configuration, subject: "NOTIFY_SOCKET=\(name)", reason: "it is not a unix socket's name")
        }
        if first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        // An abstract name ends where the address does, not at a NUL.
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count
        let fd = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw CamdError(call: "socket", errno: .current, subject: name) }
        let descriptor = FileDescriptor(owning: fd)
        let text = Array(state.utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                retrying {
                    sendto(
                        descriptor.rawValue, text, text.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT),
                        target, socklen_t(length))
                }
            }
        }
        guard sent == text.count else { throw CamdError(call: "sendto", errno: .current, subject: name) }
    }
}
