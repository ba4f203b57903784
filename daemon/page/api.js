// The HTTP API; every failure becomes an Error whose message is the line the server sent.

async function failure(response) {
  try {
    return Object.assign(new Error((await response.json()).error.message), { status: response.status });
  } catch {
    return Object.assign(new Error(`the server answered ${response.status}`), { status: response.status });
  }
}

async function ask(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) throw await failure(response);
  return response;
}

const json = async (path, options) => (await ask(path, options)).json();
const at = (version) => (version ? `version=${version}` : "");

export const status = () => json("/v1/status");
export const shapes = (after, limit = 48) =>
  json(`/v1/shapes?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
export const shape = (id, version) => json(`/v1/shapes/${id}?${at(version)}`);
export const versions = (id) => json(`/v1/shapes/${id}/versions?limit=1000`);
export const cameras = (id, version) => json(`/v1/shapes/${id}/cameras?limit=1000&${at(version)}`);
export const clusters = (limit) => json(`/v1/clusters?limit=${limit}`);
export const members = (id, limit) => json(`/v1/clusters/${id}/images?limit=${limit}`);
export const mesh = async (id, version) => (await ask(exportUrl(id, "ply", version))).arrayBuffer();

export const exportUrl = (id, format, version) => `/v1/shapes/${id}/export?format=${format}&${at(version)}`;
export const previewUrl = (id, version) => `/v1/shapes/${id}/preview.png?${at(version)}`;
export const cropUrl = (id) => `/v1/images/${id}/crop.jpg`;

export const login = (token) => ask("/v1/session", {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
});

export function query(file) {
  const form = new FormData();
  form.append("image", file);
  return json("/v1/query?limit=12", { method: "POST", body: form });
}
