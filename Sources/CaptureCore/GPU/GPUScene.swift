import CEGL
import LinuxSystem

/// What a stage is to do: all that does not change when a context is made anew.
struct GPUPlan {
    var source: FramePool
    var writes: DriverWrites
    var pictures: PicturePlan
    var choice: HeapChoice
    var stock: BufferStock
    var setup: GPUSetup
}

/// All that lives and dies with one context: the GPU, the images of all buffers, the programs. Made, used and ended on the GL
/// thread. The pools of its outputs go on without it.
final class GPUScene {
    let display: GPUDisplay
    let source: GPUSource
    let chain: GPUChain
    /// What photos are made of, where that is not what the video is made of.
    let ownStillChain: GPUChain?
    /// Nil where no videos are made.
    let video: GPUOutput?
    let still: GPUOutput
    let taps: [GPUOutput]
    /// What was tried first.
    let refusals: [PathRefusal]
    private let corners: [GLfloat] = [-1, -1, 3, -1, -1, 3]

    /// What one scene leaves to the next: whoever holds a picture keeps it.
    struct Kept {
        var gpuPath: String
        var video: GPUOutput.Kept?
        var still: GPUOutput.Kept
        var taps: [GPUOutput.Kept]
    }

    private var outputs: [GPUOutput] { [video, still].compactMap(\.self) + taps }

    var kept: Kept {
        Kept(gpuPath: source.path, video: video?.kept, still: still.kept, taps: taps.map(\.kept))
    }

    /// Opens the GPU, imports, compiles and, where nothing is `kept`, allocates; then draws once with all of it.
    init(_ plan: GPUPlan, kept: Kept? = nil) throws(CamdError) {
        let (pool, pictures) = (plan.source, plan.pictures)
        display = try GPUDisplay(plan.setup)
        var refusals = display.refusals + plan.choice.refusals.map { PathRefusal(.output, $0.source.name, $0.reason) }
        source = try GPUSource(
            display, pool, writes: plan.writes.handling(isSoftwareGPU: display.isSoftware), look: pictures.look,
            isStreaming: kept != nil, refusals: &refusals)
        if let kept, source.path != kept.gpuPath {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "after its reset it no longer sees frames as before: \(refusals.last?.reason ?? source.path)")
        }
        var stillLook = pictures.ownStillLook(source.reading)
        if stillLook?.quality == .still {
            do throws(CamdError) {
                try GPUChain.checkPrecision(display)
            } catch {
                refusals.append(PathRefusal(.output, "photos in still quality", error.withoutRemedy))
                stillLook?.quality = .video
                if stillLook == pictures.look { stillLook = nil }
            }
        }
        let whole = PictureView(width: pool.layout.width, height: pool.layout.height)
        let (videoView, stillView) = (pictures.video ?? whole, pictures.still ?? whole)
        let wishes = pictures.taps.prefix(PictureTap.most)
        let views = wishes.compactMap(\.view) + (pictures.hasVideo ? [videoView] : [])
        chain = try Self.chain(display, source.input, stillLook == nil ? views + [stillView] : views)
        if let stillLook {
            ownStillChain = try Self.chain(display, source.addInput(display, look: stillLook), [stillView])
        } else {
            ownStillChain = nil
        }
        // What photos are refused is told only where there are no videos: else it is the same.
        var ofVideo: [PathRefusal] = []
        video =
            try pictures.hasVideo
            ? GPUOutput(
                display, pictures.videoShape.outputKind, of: chain, view: videoView, color: pictures.videoColor,
                shape: pictures.videoShape,
                slots: GPUStage.videoSlots(bytes: videoView.width * videoView.height * 3 / 2),
                sources: plan.choice.sources, stock: plan.stock, kept: kept?.video, refusals: &ofVideo) : nil
        var ofStills: [PathRefusal] = []
        still = try GPUOutput(
            display, .i420, of: ownStillChain ?? chain, view: stillView, color: .jfif, slots: GPUStage.stillSlots,
            sources: plan.choice.sources, stock: plan.stock, kept: kept?.still, refusals: &ofStills)
        refusals += pictures.hasVideo ? ofVideo : ofStills
        var ignored: [PathRefusal] = []
        var taps: [GPUOutput] = []
        for (index, wish) in wishes.enumerated() {
            taps.append(
                try GPUOutput(
                    display, wish.outputKind, of: chain, view: wish.view ?? whole, color: wish.color,
                    slots: min(FramePool.mostSlots, max(2, wish.slots)), sources: plan.choice.sources,
                    stock: plan.stock, kept: kept?.taps[index], refusals: &ignored))
        }
        self.taps = taps
        self.refusals = refusals
        glEnableVertexAttribArray(0)
        glDisable(GLenum(GL_DITHER))
        if kept == nil { try warmUp() } else { try warmUpAgain() }
    }

    /// What pictures with these views are made of.
    private static func chain(
        _ display: GPUDisplay, _ input: GPUInput, _ views: [PictureView]
    ) throws(CamdError) -> GPUChain {
        try GPUChain(
            display, input, needsPicture: views.contains { !$0.isWhole(input.width, input.height) },
            smallest: views.map { $0.scale(input.width, input.height) }.min() ?? 1)
    }

    /// Draws from each capture buffer and into each output once: drivers compile late and map pages at their first use,
    /// and the first frames should not wait for that.
    private func warmUp() throws(CamdError) {
        useCorners()
        for slot in 0..<max(source.slotsToWarm, video?.pool.slotCount ?? 0, still.pool.slotCount) {
            _ = try source.bind(slot % source.slotsToWarm)
            chain.draw()
            if let video { _ = try video.draw(slot % video.pool.slotCount) }
            if slot < still.pool.slotCount {
                ownStillChain?.draw()
                _ = try still.draw(slot)
            }
            for tap in taps where slot < tap.pool.slotCount { _ = try tap.draw(slot) }
        }
        glFinish()
        for pool in outputs.map(\.pool) {
            for buffers in pool.buffers { for buffer in buffers { try buffer.prepareForCPU() } }
        }
        try display.checkErrors()
    }

    /// The same while a camera streams: nothing is drawn into pictures that others have, and no frame is touched by the CPU.
    private func warmUpAgain() throws(CamdError) {
        useCorners()
        source.select(0)
        chain.draw()
        ownStillChain?.draw()
        for output in outputs {
            if let free = output.pool.acquire() { _ = try output.draw(free.slot) }
        }
        glFinish()
        try display.checkErrors()
    }

    func useCorners() {
        corners.withUnsafeBufferPointer {
            glVertexAttribPointer(0, 2, GLenum(GL_FLOAT), GLboolean(GL_FALSE), 0, $0.baseAddress)
        }
    }
}
