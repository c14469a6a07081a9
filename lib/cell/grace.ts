/** Milliseconds that a command has between SIGTERM and SIGKILL when its AbortSignal fires or its process object is disposed of. */
export const grace = 2000;
