import CUdev
import Glibc
import LinuxSystem

/// A camera that this machine has.
public struct CameraDescription: Sendable, Hashable {
    /// Stable across reboots and ports where udev knows it: the by-id name, else the by-path name, else the node's.
    public var id: String
    public var name: String
    public var driver: String
    public var bus: String
    public var node: String
    public var formats: [Format]

    public struct Format: Sendable, Hashable {
        public var format: PixelFormat
        public var sizes: FrameSizes
    }
}

/// Finds cameras (libudev, subsystem `video4linux`).
public enum CameraEnumerator {
    /// The nodes that capture video, in the order of their numbers. A node that cannot be opened is passed over here; its
    /// error shows when it is asked for by name.
    public static func list() -> [CameraDescription] {
        nodes().compactMap { node in try? describe(node.path, id: node.id) }
    }

    /// Why the nodes that cannot be asked are not in the list: mostly permissions. Nodes that answer and capture no
    /// pictures are as they should be and are not in here.
    public static func unusable() -> [CamdError] {
        nodes().compactMap { node in
            do throws(CamdError) {
                _ = try VideoNode(path: node.path)
                return nil
            } catch {
                return error.call == "open" ? error : nil
            }
        }
    }

    /// The node of a camera: `wanted` is an id from `list`, or a path.
    public static func node(of wanted: String) throws(CamdError) -> (node: String, id: String) {
        let nodes = nodes()
        if wanted.hasPrefix("/") {
            let resolved = resolve(wanted)
            return (wanted, nodes.first { $0.path == resolved }?.id ?? wanted)
        }
        if let found = nodes.first(where: { $0.id == wanted || $0.path == "/dev/\(wanted)" }) {
            return (found.path, found.id)
        }
        let ids = nodes.map(\.id).joined(separator: ", ")
        throw CamdError(
            .noInput, subject: "camera \(wanted)", reason: "there is no such camera",
            remedy: ids.isEmpty
                ? "This machine has none; --camera test is the built-in pattern." : "There are: \(ids), test.")
    }

    private static func describe(_ path: String, id: String) throws(CamdError) -> CameraDescription {
        let node = try VideoNode(path: path)
        let formats = node.formats().map { CameraDescription.Format(format: $0, sizes: node.sizes(of: $0)) }
        return CameraDescription(
            id: id, name: node.card, driver: node.driver, bus: node.bus, node: path, formats: formats)
    }

    /// All video nodes there are, whatever they do.
    static func nodePaths() -> [String] { nodes().map(\.path) }

    private struct Node {
        var path: String
        var id: String
        var number: Int
    }

    private static func nodes() -> [Node] {
        guard let udev = udev_new() else { return [] }
        defer { udev_unref(udev) }
        guard let enumeration = udev_enumerate_new(udev) else { return [] }
        defer { udev_enumerate_unref(enumeration) }
        udev_enumerate_add_match_subsystem(enumeration, "video4linux")
        udev_enumerate_scan_devices(enumeration)
        var nodes: [Node] = []
        var entry = udev_enumerate_get_list_entry(enumeration)
        while let current = entry {
            entry = udev_list_entry_get_next(current)
            guard let system = udev_list_entry_get_name(current),
                let device = udev_device_new_from_syspath(udev, system)
            else { continue }
            defer { udev_device_unref(device) }
            guard let path = udev_device_get_devnode(device).map({ String(cString: $0) }), path.hasPrefix("/dev/video")
            else { continue }
            nodes.append(Node(path: path, id: stableName(device) ?? String(path.dropFirst(5)), number: number(path)))
        }
        return nodes.sorted { $0.number < $1.number }
    }

    /// The by-id link, else the by-path link, without its folder.
    private static func stableName(_ device: OpaquePointer) -> String? {
        var byPath: String?
        var link = udev_device_get_devlinks_list_entry(device)
        while let current = link {
            link = udev_list_entry_get_next(current)
            guard let text = udev_list_entry_get_name(current) else { continue }
            let path = String(cString: text)
            if path.hasPrefix("/dev/v4l/by-id/") { return String(path.dropFirst("/dev/v4l/by-id/".count)) }
            if path.hasPrefix("/dev/v4l/by-path/") { byPath = String(path.dropFirst("/dev/v4l/by-path/".count)) }
        }
        return byPath
    }

    private static func number(_ path: String) -> Int { Int(path.drop { !$0.isNumber }) ?? .max }

    private static func resolve(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
