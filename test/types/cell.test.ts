/** Section 3: running another program. Shapes are written out here, apart from the sources. */

import { enterCell, type IsolatedProcess, runIsolated, spawnIsolated } from 'cloister';
import type {
  Enforcement,
  IsolationPolicy,
  Outcome,
  OutcomeReason,
  RunOptions,
  RunResult,
  SpawnOptions,
  Usage,
  Violation,
} from 'cloister';
import type { EventEmitter } from 'node:events';
import type { Readable, Stream, Writable } from 'node:stream';
import { describe, expectTypeOf, it } from 'vitest';

type Entry = 'pipe' | 'ignore' | 'inherit' | number | Stream | null | undefined;

interface Spawning extends IsolationPolicy {
  stdio?: 'pipe' | 'ignore' | 'inherit' | readonly Entry[];
  signal?: AbortSignal;
  argv0?: string;
  pty?: { columns: number; rows: number };
}

interface Running extends Spawning {
  input?: string | Uint8Array | Readable;
  encoding?: BufferEncoding | 'buffer';
}

interface Used {
  wallTime: number;
  userTime: number;
  systemTime: number;
  peakMemory: number;
  processes?: number;
}

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

describe('spawnIsolated', () => {
  it('takes arguments in either form of child_process.spawn', () => {
    expectTypeOf(spawnIsolated).toBeCallableWith('true');
    expectTypeOf(spawnIsolated).toBeCallableWith('true', ['a']);
    expectTypeOf(spawnIsolated).toBeCallableWith('true', ['a'], { cwd: '/' });
    expectTypeOf(spawnIsolated).toBeCallableWith('true', { cwd: '/' });
    expectTypeOf<Same<SpawnOptions, Spawning>>().toEqualTypeOf<true>();
  });

  it('answers something that looks like a ChildProcess', () => {
    expectTypeOf<IsolatedProcess>().toExtend<EventEmitter>();
    expectTypeOf<IsolatedProcess['pid']>().toEqualTypeOf<number | undefined>();
    expectTypeOf<IsolatedProcess['stdin']>().toEqualTypeOf<Writable | null>();
    expectTypeOf<IsolatedProcess['stdout']>().toEqualTypeOf<Readable | null>();
    expectTypeOf<IsolatedProcess['stderr']>().toEqualTypeOf<Readable | null>();
    expectTypeOf<IsolatedProcess['stdio'][number]>().toEqualTypeOf<Readable | Writable | null>();
    expectTypeOf<IsolatedProcess['exitCode']>().toEqualTypeOf<number | null>();
    expectTypeOf<IsolatedProcess['signalCode']>().toEqualTypeOf<NodeJS.Signals | null>();
    expectTypeOf<IsolatedProcess['killed']>().toEqualTypeOf<boolean>();
    expectTypeOf<IsolatedProcess['kill']>().toBeCallableWith('SIGTERM');
    expectTypeOf<IsolatedProcess['kill']>().toBeCallableWith(9);
    expectTypeOf<IsolatedProcess['outcome']>().toEqualTypeOf<Promise<Outcome>>();
    expectTypeOf<IsolatedProcess>().toExtend<AsyncDisposable>();
  });
});

describe('runIsolated', () => {
  it('takes input and encoding on top, and answers outcome and output', () => {
    expectTypeOf(runIsolated).toBeCallableWith('true', ['a'], { input: 'text', encoding: 'buffer' });
    expectTypeOf<ReturnType<typeof runIsolated>>().toEqualTypeOf<Promise<RunResult>>();
    expectTypeOf<Same<RunOptions, Running>>().toEqualTypeOf<true>();
    expectTypeOf<RunResult>().toExtend<Outcome>();
    expectTypeOf<RunResult['stdout']>().toEqualTypeOf<string | Buffer>();
    expectTypeOf<RunResult['stderr']>().toEqualTypeOf<string | Buffer>();
  });
});

describe('outcome', () => {
  it('has one reason and its evidence', () => {
    expectTypeOf<OutcomeReason>().toEqualTypeOf<
      'exited' | 'signaled' | 'killed' | 'aborted' | 'wall-time' | 'cpu-time' | 'memory' | 'output' | 'violation'
    >();
    expectTypeOf<Outcome['exitCode']>().toEqualTypeOf<number | null>();
    expectTypeOf<Outcome['signal']>().toEqualTypeOf<NodeJS.Signals | null>();
    expectTypeOf<Same<Usage, Used>>().toEqualTypeOf<true>();
    expectTypeOf<Violation['args']>().toEqualTypeOf<bigint[]>();
  });
});

describe('enterCell', () => {
  it('takes a policy and tells what is in force', () => {
    expectTypeOf(enterCell).parameters.toEqualTypeOf<[IsolationPolicy]>();
    expectTypeOf(enterCell).returns.toEqualTypeOf<Enforcement>();
  });
});
