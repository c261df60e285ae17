import Glibc

/// What a GPU that is a program on the CPU is told.
public enum SoftwareGL {
    /// llvmpipe draws with as many threads as there are CPUs, and takes all of them at once for each frame: a camera whose
    /// driver or whose encoder needs one then is late. Half of them is left to others, unless the user says otherwise
    /// (`LP_NUM_THREADS`). Changes the environment: to be called before the first thread.
    public static func leaveCPUsForOthers() {
        setenv("LP_NUM_THREADS", "\(max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)) / 2))", 0)
    }
}
