/** A program as C source. */

export function cArray(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines = Array.from({ length: bytes.length / 8 }, (_, index) => {
    const at = index * 8;
    const code = view.getUint16(at, true).toString(16).padStart(2, '0');
    const constant = view
      .getUint32(at + 4, true)
      .toString(16)
      .padStart(8, '0');
    return `    {0x${code}, ${view.getUint8(at + 2)}, ${view.getUint8(at + 3)}, 0x${constant}},`;
  });
  return `#include <linux/filter.h>\n\nstatic const struct sock_filter filter[] = {\n${lines.join('\n')}\n};\n`;
}
