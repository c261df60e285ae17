import Glibc
import LinuxSystem
import Varlink

/// What the commands write, and how.
enum Console {
    /// A line to stdout. Throws when it cannot be written: half an answer must not look like a whole one.
    static func print(_ line: String) throws(CamdError) {
        guard write(line + "\n", to: STDOUT_FILENO) else {
            throw CamdError(call: "write", errno: .current, subject: "stdout", kind: .inputOutput)
        }
    }

    /// A JSON value to stdout, on one line.
    static func print(_ value: JSONValue) throws(CamdError) { try print(value.text) }

    /// Anything that can be encoded, as JSON.
    static func print(encoding value: some Encodable) throws(CamdError) { try print(try json(value)) }

    /// To stderr; there is nobody to tell when that fails.
    static func writeError(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    /// The message of an error, as every command ends with it.
    static func complain(_ error: CamdError) { writeError("camd: \(error.description)\n") }

    static func json(_ value: some Encodable) throws(CamdError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(encoding: value)
        } catch {
            throw CamdError(.software, subject: "JSON", reason: error.description)
        }
    }

    /// Columns as wide as their widest cell, two spaces between them.
    static func table(_ rows: [[String]]) -> String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        let lines = rows.map { row in
            var line = ""
            let row = row.last == "" ? row.dropLast() : row[...]
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line
        }
        return lines.joined(separator: "\n")
    }

    /// A number with so many digits after its point.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        // Beyond 2^63 the digits after the point mean nothing any more.
        guard scaled < 9e18 else { return "\(value)" }
        let whole = UInt64(scaled) / UInt64(scale)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let rest = String(UInt64(scaled) % UInt64(scale))
        return sign + String(whole) + "." + String(repeating: "0", count: digits - rest.count) + rest
    }

    private static func write(_ text: String, to fd: CInt) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                retrying { Glibc.write(fd, bytes.baseAddress, bytes.count) }
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
