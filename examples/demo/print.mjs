// How the demo looks: in colours on a terminal, plain anywhere else.

import pc from 'picocolors';

const WIDTHS = [46, 9];

/** A chapter of the demo. */
export function heading(text) {
  console.log(`\n${pc.bold(text)}`);
}

export function note(text) {
  console.log(pc.dim(text));
}

/** One line: whether it is as it should be, what, the verdict in a word, details. */
export function line({ good, what, verdict, details = '' }) {
  const paint = good === null ? pc.yellow : good ? pc.green : pc.red;
  const mark = good === null ? '-' : good ? '+' : '!';
  console.log(
    `  ${paint(mark)} ${clean(what).padEnd(WIDTHS[0])} ${paint(verdict.padEnd(WIDTHS[1]))} ${clean(details)}`.trimEnd(),
  );
}

/** Name and value. */
export function fact(name, value) {
  console.log(`  ${name.padEnd(20)} ${value}`);
}

/** What the program says of itself may hold anything, a terminal's control sequences too. */
function clean(text) {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 90 ? `${printable.slice(0, 87)}...` : printable;
}
