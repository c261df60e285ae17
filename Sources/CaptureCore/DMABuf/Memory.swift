import CV4L2
import Glibc
import LinuxSystem

/// Anonymous memory behind a descriptor (memfd_create(2)).
enum Memory {
    /// `sealed`: it can shrink no more (F_SEAL_SHRINK), which udmabuf wants to see.
    static func make(length: Int, sealed: Bool) throws(CamdError) -> FileDescriptor {
        let subject = "memory of \(length) bytes"
        let flags = UInt32(CV4L2_MFD_CLOEXEC) | UInt32(CV4L2_MFD_ALLOW_SEALING)
        let fd = cv4l2_memfd_create("camd", flags)
        guard fd >= 0 else { throw CamdError(call: "memfd_create", errno: .current, subject: subject) }
        let memory = FileDescriptor(owning: fd)
        guard ftruncate(fd, length) == 0 else { throw CamdError(call: "ftruncate", errno: .current, subject: subject) }
        if sealed, cv4l2_add_seals(fd, CInt(CV4L2_F_SEAL_SHRINK)) != 0 {
            throw CamdError(call: "fcntl F_ADD_SEALS", errno: .current, subject: subject)
        }
        return memory
    }

    /// Rounds up to whole pages.
    static func pages(_ length: Int) -> Int {
        let page = sysconf(CInt(_SC_PAGESIZE))
        return (length + page - 1) / page * page
    }
}
