import CaptureCore
import Varlink

/// What is to be shown of frames, as it travels over the socket: the type `Show` of the interface.
struct ViewParameters: Decodable {
    var wish: ViewWish

    private enum CodingKeys: String, CodingKey, CaseIterable { case crop, zoom, rotate, mirror, width, height }

    /// Any member's name, so that one that is not known is noticed.
    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let all = try decoder.container(keyedBy: AnyKey.self)
        if let unknown = all.allKeys.first(where: { CodingKeys(stringValue: $0.stringValue) == nil }) {
            throw all.unfit(unknown, "one of \(CodingKeys.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var wish = ViewWish()
        if let text = try container.decodeIfPresent(String.self, forKey: .crop) {
            guard let crop = ViewWish.Crop(text) else { throw container.unfit(.crop, "WIDTHxHEIGHT+LEFT+TOP") }
            wish.crop = crop
        }
        if let zoom = try container.decodeIfPresent(Double.self, forKey: .zoom) {
            guard ViewWish.zooms.contains(zoom), wish.crop == nil else {
                throw container.unfit(.zoom, "from 1 to \(ViewWish.zooms.upperBound), and not together with crop")
            }
            wish.zoom = zoom
        }
        if let degrees = try container.decodeWhole(.rotate, in: 0...270) {
            guard let rotation = PictureView.Rotation(rawValue: degrees) else {
                throw container.unfit(.rotate, "0, 90, 180 or 270")
            }
            wish.rotation = rotation
        }
        wish.isMirrored = try container.decodeIfPresent(Bool.self, forKey: .mirror) ?? false
        let width = try container.decodeWhole(.width, in: Limits.edges)
        let height = try container.decodeWhole(.height, in: Limits.edges)
        guard (width == nil) == (height == nil) else {
            throw container.unfit(width == nil ? .width : .height, "width and height go together")
        }
        if let width, let height { wish.scale = FrameSize(width, height) }
        self.wish = wish
    }

    static func json(_ wish: ViewWish) -> JSONValue {
        var members: [String: JSONValue] = [:]
        if let crop = wish.crop { members["crop"] = .string(crop.description) }
        if wish.zoom != 1 { members["zoom"] = .number(wish.zoom) }
        if wish.rotation != .none { members["rotate"] = .integer(Int64(wish.rotation.rawValue)) }
        if wish.isMirrored { members["mirror"] = .bool(true) }
        if let scale = wish.scale {
            members["width"] = .integer(Int64(scale.width))
            members["height"] = .integer(Int64(scale.height))
        }
        return .object(members)
    }
}
