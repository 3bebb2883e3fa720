import { defineConfig } from "vite";

// One script and one style sheet: localgrad/report/html.py puts both into a single offline page,
// and the notebook widget loads the same two files.
export default defineConfig({
  logLevel: "warn",
  build: {
    outDir: "../localgrad/report/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions: {
      input: "src/main.ts",
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "viewer.js", assetFileNames: "viewer.[ext]", codeSplitting: false },
    },
  },
});
