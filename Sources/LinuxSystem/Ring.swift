import Synchronization

/// A bounded queue between exactly one thread that pushes and one that pops. It holds move-only values, allocates
/// once, takes no lock and makes no system call.
public final class Ring<Element: ~Copyable>: @unchecked Sendable {
    public let capacity: Int
    private let slots: UnsafeMutablePointer<Element>
    // Counted up without end; the difference is what lies in the ring.
    private let pushed = Atomic<Int>(0)
    private let popped = Atomic<Int>(0)

    public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
    }

    deinit {
        var index = popped.load(ordering: .acquiring)
        let end = pushed.load(ordering: .acquiring)
        while index < end {
            (slots + index % capacity).deinitialize(count: 1)
            index += 1
        }
        slots.deallocate()
    }

    /// How many lie in it at this moment.
    public var count: Int {
        let out = popped.load(ordering: .acquiring)
        return pushed.load(ordering: .acquiring) - out
    }

    /// Puts one in; gives it back when the ring is full.
    public func push(_ element: consuming Element) -> Element? {
        let index = pushed.load(ordering: .relaxed)
        guard index - popped.load(ordering: .acquiring) < capacity else { return element }
        (slots + index % capacity).initialize(to: element)
        pushed.store(index + 1, ordering: .releasing)
        return nil
    }

    /// Takes the oldest out; nil when it is empty.
    public func pop() -> Element? {
        let index = popped.load(ordering: .relaxed)
        guard index < pushed.load(ordering: .acquiring) else { return nil }
        let element = (slots + index % capacity).move()
        popped.store(index + 1, ordering: .releasing)
        return element
    }

    /// Looks at the oldest without taking it out; nil when it is empty. For the thread that pops.
    public func withOldest<R>(_ body: (borrowing Element) -> R) -> R? {
        let index = popped.load(ordering: .relaxed)
        guard index < pushed.load(ordering: .acquiring) else { return nil }
        return body(slots[index % capacity])
    }

    /// Looks at the newest, on the thread that pushes and pops; nil when it is empty.
    public func withNewest<R>(_ body: (borrowing Element) -> R) -> R? {
        let end = pushed.load(ordering: .relaxed)
        guard popped.load(ordering: .relaxed) < end else { return nil }
        return body(slots[(end - 1) % capacity])
    }
}
