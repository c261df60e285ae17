/// What a device needs of the memory that it is given.
public enum MemoryNeed: Sendable, Hashable {
    /// Any pages: it has an IOMMU, writes with the CPU, or checks for itself and refuses.
    case anything
    /// One piece; its driver refuses anything else.
    case contiguous
    /// One piece; its driver would not notice, and write where it may not.
    case contiguousUnchecked

    /// By the driver's name (VIDIOC_QUERYCAP) and whether an IOMMU stands before the device. Where nothing is known the
    /// driver is asked by trying: it refuses what it cannot use.
    public init(driver: String, hasIOMMU: Bool) {
        if hasIOMMU {
            self = .anything
        } else if Self.uncheckedDrivers.contains(driver) {
            self = .contiguousUnchecked
        } else {
            self = Self.contiguousDrivers.contains(driver) ? .contiguous : .anything
        }
    }

    /// dma-sg drivers that take the first segment of a scattered buffer for the whole of it.
    private static let uncheckedDrivers: Set<String> = ["qcom-camss"]

    /// Drivers on vb2's dma-contig: EFAULT for what is in pieces. By the names that they tell, which are often neither
    /// their module's nor their device's.
    private static let contiguousDrivers: Set<String> = [
        "imx-capture",  // imx7-media-csi (Librem 5, i.MX7, i.MX8M), and i.MX5/6 (staging/media/imx)
        "imx-media-capture",  // the latter in older kernels
        "mx6s-csi",  // NXP's own kernels for i.MX6/7/8M
        "mxc-isi",  // i.MX8 ISI
        "sun6i-csi",  // Allwinner from A31 on (PinePhone)
        "sun6i-video",  // the same in older kernels
        "sun4i_csi",  // Allwinner A10 to A20
        "unicam",  // Raspberry Pi 1 to 4
        "rp1-cfe",  // Raspberry Pi 5
        "stm32-dcmi", "dcmipp",  // STM32, both of its camera interfaces
        "rockchip-cif",  // Rockchip's plain capture unit; some have an IOMMU
        "rkcif",  // the same in Rockchip's own kernels
        "atmel-isi", "microchip-isc",  // SAM9, SAMA5, SAMA7
    ]
}
