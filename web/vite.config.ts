import { defineConfig } from "vite";

// One script and one style sheet: localgrad/report/html.py puts both into a single offline page,
// and the notebook widget loads the same two files.
export default defineConfig({
  build: {
    outDir: "../localgrad/report/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    assetsInlineLimit: 100_000,
    lib: { entry: "src/main.ts", formats: ["es"], fileName: () => "viewer.js", cssFileName: "viewer" },
  },
});
