import CALSA
import Glibc

/// A capture device of a sound card.
public struct SoundDevice: Sendable, Hashable {
    /// ALSA's name of it: `hw:CARD=Loopback,DEV=1`.
    public var name: String
    /// Of the card: `Loopback`.
    public var cardName: String
    /// Of the device on it: `Loopback PCM`.
    public var deviceName: String
}

/// The sound cards that the kernel has at this moment.
public enum SoundCards {
    /// All devices that record (snd_card_next(3), snd_ctl_pcm_next_device(3)). Cards that cannot be opened are left out.
    public static func devices() -> [SoundDevice] {
        calsa_be_quiet()
        var devices: [SoundDevice] = []
        var card: CInt = -1
        // No more cards than a kernel can have, and no more devices than numbers.
        for _ in 0..<256 where snd_card_next(&card) >= 0 && card >= 0 {
            var control: OpaquePointer?
            guard snd_ctl_open(&control, "hw:\(card)", CInt(SND_CTL_NONBLOCK)) >= 0, let control else { continue }
            defer { snd_ctl_close(control) }
            devices += Self.devices(of: control, card: card)
            if devices.count >= 256 { break }
        }
        return devices
    }

    private static func devices(of control: OpaquePointer, card: CInt) -> [SoundDevice] {
        var cardInfo: OpaquePointer?
        var pcmInfo: OpaquePointer?
        defer {
            if let cardInfo { snd_ctl_card_info_free(cardInfo) }
            if let pcmInfo { snd_pcm_info_free(pcmInfo) }
        }
        guard snd_ctl_card_info_malloc(&cardInfo) >= 0, snd_pcm_info_malloc(&pcmInfo) >= 0, let cardInfo, let pcmInfo,
            snd_ctl_card_info(control, cardInfo) >= 0
        else { return [] }
        let id = text(snd_ctl_card_info_get_id(cardInfo)) ?? "\(card)"
        let cardName = text(snd_ctl_card_info_get_name(cardInfo)) ?? id
        var devices: [SoundDevice] = []
        var device: CInt = -1
        for _ in 0..<64 {
            guard snd_ctl_pcm_next_device(control, &device) >= 0, device >= 0 else { break }
            snd_pcm_info_set_device(pcmInfo, UInt32(device))
            snd_pcm_info_set_subdevice(pcmInfo, 0)
            snd_pcm_info_set_stream(pcmInfo, SND_PCM_STREAM_CAPTURE)
            // One that only plays.
            guard snd_ctl_pcm_info(control, pcmInfo) >= 0 else { continue }
            devices.append(
                SoundDevice(
                    name: "hw:CARD=\(id),DEV=\(device)", cardName: cardName,
                    deviceName: text(snd_pcm_info_get_name(pcmInfo)) ?? ""))
        }
        return devices
    }

    private static func text(_ raw: UnsafePointer<CChar>?) -> String? { raw.map { String(cString: $0) } }
}
