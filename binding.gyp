# Two products from shared sources: the addon (cloister.node) and the static launcher that builds the cells.
# tools/list-sources.mjs decides which folders go into which; CMakeLists.txt asks the same script.
{
  "variables": {
    # The project's own CI turns warnings into errors; a newer compiler of a user must not.
    "werror%": "<!(node -p \"process.env.CLOISTER_WERROR === '1' ? 1 : 0\")"
  },
  "target_defaults": {
    "include_dirs": ["."],
    "defines": ["_GNU_SOURCE", "_GLIBCXX_ASSERTIONS"],
    "cflags!": ["-Wno-unused-parameter"],
    "cflags": [
      "-Wall",
      "-Wextra",
      "-Wconversion",
      "-Wshadow",
      "-fvisibility=hidden",
      "-ffunction-sections",
      "-fdata-sections",
      "-fstack-protector-strong",
      "-fstack-clash-protection"
    ],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
    "ldflags!": ["-rdynamic"],
    "ldflags": [
      "-static-libstdc++",
      "-static-libgcc",
      "-Wl,-z,relro,-z,now,-z,noexecstack",
      "-Wl,--gc-sections"
    ],
    "conditions": [
      ["werror==1", { "cflags": ["-Werror"] }],
      ["target_arch=='x64'", { "cflags": ["-fcf-protection=full"] }],
      ["target_arch=='arm64'", { "cflags": ["-mbranch-protection=standard"] }]
    ],
    "configurations": {
      "Release": {
        # Fortified calls need the optimiser; a debug build goes without.
        "defines": ["_FORTIFY_SOURCE=2"],
        "ldflags": ["-s"]
      }
    }
  },
  "targets": [
    {
      "target_name": "cloister",
      "sources": ["<!@(node tools/list-sources.mjs addon)"],
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_maybe"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "ldflags": ["-Wl,--exclude-libs,ALL"]
    },
    {
      "target_name": "cloister-launcher",
      "type": "executable",
      "product_prefix": "",
      "win_delay_load_hook": "false",
      "sources": ["<!@(node tools/list-sources.mjs launcher)"],
      # Node's common.gypi asks for -O3; the launcher's pages are copied at each spawn, so small is fast.
      "configurations": {
        "Release": { "cflags!": ["-O3"], "cflags": ["-Os"] }
      },
      "ldflags": ["-static"]
    }
  ]
}
