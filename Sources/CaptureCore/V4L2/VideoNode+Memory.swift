import CV4L2
import Glibc
import LinuxSystem

/// What is to be known of a camera's way to memory.
extension VideoNode {
    /// The driver fills buffers with the CPU and leaves the caches as they are: all that copy out of USB packets, whatever
    /// their names, and the test drivers.
    var writesWithCPU: Bool { bus.hasPrefix("usb-") || driver == "vivid" || driver == "vimc" }

    /// Whether an IOMMU stands between the camera and memory, so that pieces look like one to it.
    var hasIOMMU: Bool {
        var status = stat()
        guard fstat(fileDescriptor, &status) == 0 else { return false }
        let number = UInt64(status.st_rdev)
        return Self.hasIOMMU(device: "/sys/dev/char/\(cv4l2_major(number)):\(cv4l2_minor(number))/device")
    }

    /// By the device's folder in sysfs. A group of the type `identity` (iommu.passthrough=1) translates nothing: the
    /// device sees memory as it is, in pieces.
    static func hasIOMMU(device folder: String) -> Bool {
        guard let file = try? FileDescriptor.open(folder + "/iommu_group/type", O_RDONLY) else { return false }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(file.rawValue, &bytes, bytes.count)
        guard count > 0 else { return false }
        let type = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isWhitespace).first
        return type == "DMA" || type == "DMA-FQ"
    }
}
