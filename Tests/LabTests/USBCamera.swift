import Glibc
import LinuxSystem
import Testing

/// The lab's USB camera (Tests/Lab/usb-camera.c), plugged in: it is unplugged with the end of this object.
final class USBCamera {
    /// Its capture node.
    let node: String
    private let program: Program

    /// `options`: see the head of usb-camera.c.
    init(_ options: String...) throws {
        let binary = try Self.binary()
        // The one before it may still be going.
        #expect(eventually { Self.nodes().isEmpty })
        program = try Program([binary] + options)
        var found: String?
        let program = program
        _ = eventually {
            found = Self.nodes().first
            return found != nil
        }
        node = try #require(found, "the guest sees no camera: \(program.errorsSoFar)")
    }

    deinit { unplug() }

    func unplug() {
        program.signal(SIGTERM)
        _ = eventually { Self.nodes().isEmpty }
    }

    private static func binary() throws -> String {
        let path = "/tmp/camd-usb-camera"
        if access(path, X_OK) == 0 { return path }
        let compiled = try run([
            "cc", "-O2", "-o", path, "Tests/Lab/usb-camera.c", "-lturbojpeg", "-lpthread",
        ])
        try #require(compiled.status == 0, "\(compiled.errors)")
        return path
    }

    /// Its nodes that capture: uvcvideo makes a second one for metadata.
    private static func nodes() -> [String] {
        let folder = "/sys/class/video4linux"
        func text(_ node: String, _ file: String) -> String {
            String(decoding: (try? Program.read("\(folder)/\(node)/\(file)")) ?? [], as: UTF8.self)
        }
        return Directory.names(in: folder).filter {
            text($0, "name").hasPrefix("camd lab camera") && text($0, "index").hasPrefix("0")
                && access("/dev/\($0)", F_OK) == 0
        }.map { "/dev/\($0)" }
    }
}
