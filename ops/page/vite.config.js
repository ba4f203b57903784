import { readFileSync } from "node:fs";

import { defineConfig } from "vite";

/** three.js is part of what is built, so its licence goes with it. */
const licence = {
  name: "licence",
  generateBundle() {
    const source = readFileSync(new URL("node_modules/three/LICENSE", import.meta.url), "utf8");
    this.emitFile({ type: "asset", fileName: "three.LICENSE.txt", source });
  },
};

// Names without digests: the server has browsers revalidate these few files, and a rebuild changes no names.
// Nothing is inlined as data: URLs, which the page's content security policy refuses.
export default defineConfig({
  base: "/page/",
  plugins: [licence],
  build: {
    outDir: process.env.PAGE_OUT ?? "../../daemon/page",
    emptyOutDir: true,
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
        codeSplitting: { groups: [{ name: "three", test: /node_modules\/three\// }] },
      },
    },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8321", "/readyz": "http://127.0.0.1:8321" } },
});
