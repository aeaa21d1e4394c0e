// dependency-cruiser's configuration where a repository has none of its own: it only reads who imports whom.
const typescript = process.env.FORGE_TSCONFIG;

module.exports = {
  forbidden: [],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(node_modules|dist|build|coverage)/|\\.min\\.js$" },
    // imports that the compiler takes away are no imports when the module is loaded
    tsPreCompilationDeps: false,
    ...(typescript ? { tsConfig: { fileName: typescript } } : {}),
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default", "types"] },
  },
};
