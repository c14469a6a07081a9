/** The words for the line that a process writes when it ends for a refused call: names of calls, and what each promise allows. */

import { ByteWriter } from '../native/writer.js';

/** Read by DecodeDescriptions in native/binding/restrict_binding.cc. */
export function describeCalls(): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(0);
  writer.u32(0);
  writer.u32(0);
  return writer.finish();
}
