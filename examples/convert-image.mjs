// Turns a PNG image into a grey PGM one. The descriptors are opened, then the program gives up everything but them, and only then it looks at what somebody
// sent: a mistake in the decoder is good for a wrong picture, and for nothing else.
//
//   node examples/convert-image.mjs picture.png picture.pgm

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

import { restrictSelf } from 'cloister';

const [source, target] = process.argv.slice(2);
if (target === undefined) {
  console.error('use: convert-image.mjs IN.png OUT.pgm');
  process.exit(2);
}

/** Bytes of a pixel by colour type (PNG specification, 11.2.2), all of 8 bits. */
const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 };
const MOST_PIXELS = 1 << 26;

function fail(message) {
  throw new Error(message);
}

/** Type and content of each part of the file. */
function* chunks(file) {
  for (let at = 8; at + 12 <= file.length; ) {
    const size = file.readUInt32BE(at);
    yield [file.toString('latin1', at + 4, at + 8), file.subarray(at + 8, at + 8 + size)];
    at += 12 + size;
  }
}

/** Undoes the filter of a line (PNG specification, 9.2). */
function unfilter(kind, line, above, step) {
  for (let i = 0; i < line.length; i += 1) {
    const left = i >= step ? line[i - step] : 0;
    const up = above[i];
    const corner = i >= step ? above[i - step] : 0;
    const estimate = left + up - corner;
    const [a, b, c] = [left, up, corner].map((value) => Math.abs(estimate - value));
    const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
    line[i] += [0, left, up, (left + up) >> 1, paeth][kind] ?? fail(`filter ${kind}`);
  }
}

function toGrey(file) {
  let header;
  const data = [];
  for (const [type, content] of chunks(file)) {
    if (type === 'IHDR') {
      header = content;
    } else if (type === 'IDAT') {
      data.push(content);
    }
  }
  if (file.toString('latin1', 1, 4) !== 'PNG' || header?.length !== 13) {
    fail('no PNG image');
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const step = CHANNELS[header[9]] ?? fail(`colour type ${header[9]}`);
  if (header[8] !== 8 || header[12] !== 0 || width === 0 || width * height > MOST_PIXELS) {
    fail('a depth, interlacing or size that this program does not know');
  }
  const size = width * step;
  const lines = inflateSync(Buffer.concat(data), { maxOutputLength: (size + 1) * height });
  const grey = Buffer.alloc(width * height);
  let above = Buffer.alloc(size);
  for (let y = 0; y < height; y += 1) {
    const line = lines.subarray(y * (size + 1) + 1, (y + 1) * (size + 1));
    unfilter(lines[y * (size + 1)], line, above, step);
    for (let x = 0; x < width; x += 1) {
      const [red, green, blue] = step < 3 ? Array(3).fill(line[x * step]) : line.subarray(x * step, x * step + 3);
      grey[y * width + x] = (red * 299 + green * 587 + blue * 114) / 1000;
    }
    above = line;
  }
  return [Buffer.from(`P5 ${width} ${height} 255\n`), grey];
}

const input = openSync(source, 'r');
const output = openSync(target, 'w');
restrictSelf({ pledge: 'stdio', unveil: {}, onViolation: 'kill' });

try {
  const file = Buffer.alloc(fstatSync(input).size);
  for (let done = 0; done < file.length; ) {
    const count = readSync(input, file, done, file.length - done, null);
    if (count === 0) {
      fail('the file became shorter');
    }
    done += count;
  }
  if (process.env.EXPLOIT !== undefined) {
    // As a decoder that was taken over.
    openSync(process.env.EXPLOIT, 'r');
  }
  for (const part of toGrey(file)) {
    writeSync(output, part);
  }
  closeSync(output);
} catch (error) {
  console.error(`${source}: ${error.message}`);
  process.exitCode = 1;
}
