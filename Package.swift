// swift-tools-version: 6.2
import PackageDescription

let ours: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "camd",
    products: [.executable(name: "camd", targets: ["camd"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // C: what Swift cannot import of the kernel's and of the libraries' headers, nothing else.
        .target(name: "CV4L2"),
        .target(
            name: "CEGL",
            linkerSettings: [.linkedLibrary("EGL"), .linkedLibrary("GLESv2"), .linkedLibrary("gbm")]),
        .systemLibrary(name: "CFFmpeg", pkgConfig: "libavformat", providers: [.apt(["libavformat-dev"])]),
        .systemLibrary(name: "CALSA", pkgConfig: "alsa", providers: [.apt(["libasound2-dev"])]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CV4LConvert", pkgConfig: "libv4lconvert", providers: [.apt(["libv4l-dev"])]),
        .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
        .systemLibrary(name: "CUdev", pkgConfig: "libudev", providers: [.apt(["libudev-dev"])]),

        // The rooms. Imports point downwards only: a target may use those above it.
        .target(name: "LinuxSystem", dependencies: ["CV4L2"], swiftSettings: ours),
        .target(
            name: "CaptureCore",
            dependencies: ["LinuxSystem", "CV4L2", "CEGL", "CUdev", "CTurboJPEG", "CV4LConvert"], swiftSettings: ours),
        .target(
            name: "Recording", dependencies: ["CaptureCore", "LinuxSystem", "CFFmpeg", "CALSA"], swiftSettings: ours),
        .target(
            name: "Stills", dependencies: ["CaptureCore", "LinuxSystem", "CTurboJPEG", "CTIFF"], swiftSettings: ours),
        .target(name: "Varlink", dependencies: ["LinuxSystem"], swiftSettings: ours),
        .executableTarget(
            name: "camd",
            dependencies: [
                "CaptureCore", "Recording", "Stills", "Varlink", "LinuxSystem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),

        // Side by side with what users have, in one run; see the heads of the files.
        .executableTarget(
            name: "copy-out", dependencies: ["CaptureCore", "LinuxSystem"], path: "Benchmarks/CopyOut",
            swiftSettings: ours),
        .executableTarget(
            name: "debayer-quality", dependencies: ["CaptureCore", "LinuxSystem", "GoldenSupport"],
            path: "Benchmarks/DebayerQuality", swiftSettings: ours),

        .executableTarget(
            name: "gpu-time", dependencies: ["CaptureCore", "LinuxSystem", "CEGL"], path: "Benchmarks/GPUTime",
            swiftSettings: ours),

        // For `make sanitize`, else empty. All tests are one program, so one target that brings it is enough.
        .target(
            name: "CSanitizers", path: "Tests/Sanitizers", exclude: ["lsan.supp", "lsan-x264.supp"],
            publicHeadersPath: "."),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem", "CSanitizers"], swiftSettings: ours),
        // What tests here and tests in the lab hold the GPU against.
        .target(
            name: "GoldenSupport", dependencies: ["CaptureCore", "LinuxSystem"], path: "Tests/GoldenSupport",
            swiftSettings: ours),
        .testTarget(
            name: "CaptureCoreTests", dependencies: ["CaptureCore", "GoldenSupport", "CEGL", "CTurboJPEG"],
            swiftSettings: ours),
        // Files with sound, and what is heard in them.
        .target(
            name: "SoundSupport", dependencies: ["LinuxSystem", "CFFmpeg", "CALSA"], path: "Tests/SoundSupport",
            swiftSettings: ours),
        .testTarget(name: "RecordingTests", dependencies: ["Recording", "SoundSupport"], swiftSettings: ours),
        .testTarget(name: "StillsTests", dependencies: ["Stills", "CTIFF"], swiftSettings: ours),
        .testTarget(name: "VarlinkTests", dependencies: ["Varlink"], swiftSettings: ours),
        .testTarget(name: "CamdTests", dependencies: ["camd"], swiftSettings: ours),
        .testTarget(
            name: "LabTests",
            dependencies: [
                "CaptureCore", "LinuxSystem", "Recording", "GoldenSupport", "SoundSupport", "CEGL", "CALSA",
            ],
            swiftSettings: ours),
    ]
)
