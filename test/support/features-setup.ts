/**
 * vitest global setup: what this machine has, for each user that tests run as. CLOISTER_REQUIRE and CLOISTER_ABSENT name features that must be there or
 * must not be: where that is not so the whole run fails, so that a test is skipped only where the machine is known to lack what it needs.
 */

import type { TestProject } from 'vitest/node';

import { inSubprocess, type User, USERS } from './in-subprocess.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** By user, names as in needs.ts. */
    features: Record<string, string[]>;
  }
}

const listOf = (variable: string): string[] => (process.env[variable] ?? '').split(',').filter((name) => name !== '');

async function featuresOf(user: User): Promise<string[]> {
  const found = await inSubprocess(
    async ({ probe, packageUrl, archive }) => {
      const { landlock, seccomp, backends, cgroup } = probe();
      // An import() of its own would not survive the way of this function's text.
      const host: unknown = await archive(new URL('host/probe.js', packageUrl).href);
      const { hostInfo } = host as typeof import('../../lib/host/probe.js');
      const { overlay, idMappedBinds, processesPerNamespace } = hostInfo().features;
      return {
        abi: landlock?.abi ?? 0,
        backends,
        cgroup: cgroup?.writable === true ? cgroup.version : undefined,
        flags: {
          cells: backends.length > 0,
          listener: seccomp?.userNotification === true,
          'id-mapped': idMappedBinds,
          processes: processesPerNamespace,
          overlay,
        },
      };
    },
    { user },
  );
  return [
    // Each ABI has all of those before it.
    ...Array.from({ length: found.abi }, (_, index) => `landlock:${String(index + 1)}`),
    ...found.backends.map((backend) => (backend === 'landlock' ? 'backend-landlock' : backend)),
    ...(found.cgroup === undefined ? [] : [`cgroup-${found.cgroup}`]),
    ...Object.entries(found.flags).flatMap(([name, present]) => (present ? [name] : [])),
  ];
}

export default async function setup(project: TestProject): Promise<void> {
  const entries = await Promise.all(USERS.map(async (user) => [user, await featuresOf(user)] as const));
  for (const [user, features] of entries) {
    const missing = listOf('CLOISTER_REQUIRE').filter((name) => !features.includes(name));
    const unexpected = listOf('CLOISTER_ABSENT').filter((name) => features.includes(name));
    if (missing.length > 0 || unexpected.length > 0) {
      throw new Error(
        `as ${user} this machine has ${features.join()}; required but missing: ${missing.join()}; there but expected absent: ${unexpected.join()}`,
      );
    }
  }
  project.provide('features', Object.fromEntries(entries));
}
