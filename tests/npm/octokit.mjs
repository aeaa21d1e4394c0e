// Drives a GitHub-shaped host with GitHub's own client: {api, repository, tokens, branch} on stdin, what it saw on stdout.
import { Octokit } from "@octokit/rest";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const { api, repository, tokens, branch } = JSON.parse(text);
const [owner, repo] = repository.split("/");
const as = (login) => new Octokit({ baseUrl: api, auth: tokens[login], log: { debug() {}, info() {}, warn() {}, error() {} } });
const [agent, person, forge] = [as("forge/builder-01"), as("olga"), as("forge")];
const status = (promise) => promise.then((answer) => answer.status, (error) => error.status);
const seen = {};

const opened = await agent.rest.pulls.create({ owner, repo, title: "By octokit", head: branch, base: "main", body: "why" });
const pull_number = opened.data.number;
const sha = opened.data.head.sha;
seen.opened = { status: opened.status, number: pull_number, sha, author: opened.data.user.login, type: opened.data.user.type };

const files = await forge.paginate(forge.rest.pulls.listFiles, { owner, repo, pull_number, per_page: 2 });
seen.files = files.map((file) => `${file.status} ${file.filename} +${file.additions}`);

const annotation = (line) => ({
  path: "a.py", start_line: line, end_line: line, annotation_level: "failure", message: `unused ${line}`,
});
const output = { title: "2 findings", summary: "see below", annotations: [annotation(1), annotation(2)] };
const check = await forge.rest.checks.create({
  owner, repo, name: "lint", head_sha: sha, status: "completed", conclusion: "failure", external_id: "a1", output,
});
await forge.rest.checks.update({
  owner, repo, check_run_id: check.data.id, output: { ...output, annotations: [annotation(3)] },
});
seen.annotations = (await forge.paginate(forge.rest.checks.listAnnotations, { owner, repo, check_run_id: check.data.id }))
  .map((one) => one.message);
seen.checks = (await forge.rest.checks.listForRef({ owner, repo, ref: branch })).data.check_runs
  .map((run) => [run.name, run.conclusion]);
seen.agentsCheck = await status(agent.rest.checks.create({ owner, repo, name: "lint", head_sha: sha, conclusion: "success" }));

seen.ownApproval = await status(agent.rest.pulls.createReview({ owner, repo, pull_number, event: "APPROVE" }));
const review = await person.rest.pulls.createReview({ owner, repo, pull_number, event: "APPROVE", body: "good" });
seen.review = [review.data.state, review.data.user.login, review.data.commit_id === sha];
seen.comment = (await forge.rest.issues.createComment({ owner, repo, issue_number: pull_number, body: "ok" })).status;

seen.agentsMerge = await status(agent.rest.pulls.merge({ owner, repo, pull_number, sha }));
seen.staleMerge = await status(forge.rest.pulls.merge({ owner, repo, pull_number, sha: "0".repeat(40) }));
const merged = await forge.rest.pulls.merge({ owner, repo, pull_number, sha, commit_title: "Land it" });
seen.merged = [merged.status, merged.data.merged];
seen.again = await status(forge.rest.pulls.merge({ owner, repo, pull_number, sha }));
const main = await forge.rest.git.getRef({ owner, repo, ref: "heads/main" });
seen.landed = main.data.object.sha === merged.data.sha;
seen.after = (await forge.rest.pulls.get({ owner, repo, pull_number })).data.merged;
const content = await forge.rest.repos.getContent({ owner, repo, path: "a.py" });
seen.content = Buffer.from(content.data.content, "base64").toString();
const deployment = await forge.rest.repos.createDeployment({
  owner, repo, ref: "main", environment: "production", auto_merge: false, required_contexts: [],
});
const told = await forge.rest.repos.createDeploymentStatus({
  owner, repo, deployment_id: deployment.data.id, state: "success", environment_url: "http://shop.test",
});
seen.deployment = [deployment.status, told.data.state];
process.stdout.write(JSON.stringify(seen));
