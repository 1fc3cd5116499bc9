/* One way to ask the server. */

const token = new URLSearchParams(location.search).get("token") || "";

export async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { "X-Muster-Token": token, ...(options.headers || {}) } });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ errors: [response.statusText] }));
  const error = new Error(told.errors.join("\n"));
  error.status = response.status;
  throw error;
}
