// vitest's own coverage provider (@vitest/coverage-v8), from where FORGE_VITEST_COVERAGE says, for repositories that lack it. vitest
// looks for it in the repository, in its workers too (vitest.dev, "Custom Coverage Provider"), so it goes by the name of a custom one.
import { fileURLToPath, pathToFileURL } from "node:url";

const { default: real } = await import(pathToFileURL(process.env.FORGE_VITEST_COVERAGE).href);
const here = fileURLToPath(import.meta.url);

export default {
  ...real,
  async getProvider() {
    const provider = await real.getProvider();
    const initialize = provider.initialize.bind(provider);
    provider.initialize = async (...given) => {
      await initialize(...given);
      provider.options = { ...provider.options, provider: "custom", customProviderModule: here };
    };
    return provider;
  },
};
