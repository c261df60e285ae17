import Testing

@testable import Varlink

@Suite struct JSONValueTests {
    private func parse(_ text: String, _ limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: Array(text.utf8), limits: limits)
    }

    @Test func `every kind of value comes back as what it is`() throws {
        let value = try parse(#"{"a":[null,true,-3,1.5,"x\n\u00e9"],"b":{},"c":[],"d":9007199254740993}"#)
        #expect(
            value == [
                "a": [nil, true, -3, 1.5, "x\né"], "b": [:], "c": [], "d": 9_007_199_254_740_993,
            ])
        #expect(try JSONValue(parsing: value.encoded) == value)
    }

    @Test func `a text is one line without a NUL, in an order that stays`() throws {
        let value: JSONValue = ["b": "a/b\u{0}\n", "a": 1]
        #expect(value.text == #"{"a":1,"b":"a/b\u0000\n"}"#)
    }

    @Test func `a number that is none becomes null`() {
        #expect(JSONValue.array([.number(.nan), .number(.infinity), .number(0.5)]).text == "[null,null,0.5]")
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "nul", "tru", "1 2", "\"", "\"\\u12\"", "\"\\ud800\"", "01",
        "1e999", "{a:1}", "'a'", "[1", "//x\n1", "\u{FEFF}1", "{\"a\":1}}", "NaN",
    ])
    func `what is not JSON is an error`(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test func `what is not UTF-8, or another form of Unicode, is an error`() {
        let texts: [[UInt8]] = [
            [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0xff, 0xfe, 0x31, 0x00], [0x31, 0x00], [0x00], [0x80],
            [0x00, 0x00, 0x00, 0x31], [0xef, 0xbb, 0xbf, 0x31],
        ]
        for text in texts { #expect(throws: JSONError.self, "\(text)") { try JSONValue(parsing: text) } }
    }

    @Test func `depth has a limit, and brackets in strings do not count`() throws {
        let limits = JSONLimits(depth: 3, values: 100)
        _ = try parse("[[[1]]]", limits)
        _ = try parse(#"["[[[[[[\"[[[["]"#, limits)
        let error = #expect(throws: JSONError.self) { try parse("[[[[1]]]]", limits) }
        #expect(error?.description == "more than 3 arrays and objects inside each other")
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1 << 20)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "{\"a\":", count: 1 << 17)) }
    }

    @Test func `the number of values has a limit`() throws {
        let limits = JSONLimits(depth: 3, values: 10)
        _ = try parse("[1,2,3,4,5,6,7,8]", limits)
        #expect(throws: JSONError.self) { try parse("[1,2,3,4,5,6,7,8,9,10,11]", limits) }
    }

    struct Wanted: Codable, Equatable {
        struct Inner: Codable, Equatable { var list: [Int] }
        var name: String
        var inner: Inner?
    }

    @Test func `values of other types go in and out`() throws {
        let wanted = Wanted(name: "n", inner: Wanted.Inner(list: [1, 2]))
        let value = try JSONValue(encoding: wanted)
        #expect(value == ["name": "n", "inner": ["list": [1, 2]]])
        #expect(try value.decode(Wanted.self) == wanted)
        #expect(try JSONValue.object(["name": "n", "inner": nil]).decode(Wanted.self).inner == nil)
    }

    @Test func `a value that does not fit is named`() {
        func reason(_ value: JSONValue) -> String? {
            do throws(JSONError) {
                _ = try value.decode(Wanted.self)
                return nil
            } catch {
                return error.description
            }
        }
        #expect(reason([:]) == "name: is missing")
        #expect(reason(["name": 1]) == "name: is not a string")
        #expect(reason(["name": nil]) == "name: is null, a string is wanted")
        #expect(reason(["name": "n", "inner": 5]) == "inner: is not an object")
        #expect(reason(["name": "n", "inner": ["list": 5]]) == "inner.list: is not an array")
        #expect(
            reason(["name": "n", "inner": ["list": [1, "x"]]]) == "inner.list[1]: is not a whole number that fits")
    }

    @Test func `a value that JSON does not have is an error when it is encoded`() {
        #expect(throws: JSONError.self) { try JSONValue(encoding: ["x": Double.nan]) }
    }
}
