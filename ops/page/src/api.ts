// The HTTP API; every failure becomes an ApiError whose message is the line the server sent.

import type {
  CameraSummary, ChangeSummary, ClusterSummary, Comparison, EditReport, ImageSummary, Keypoints, LibraryMap, LibraryStatus,
  LineageSummary, Page, PipelineState, QueryMatch, RejectSummary, ShapeSummary, ShardSummary, Sight, SimilarShape,
} from "./types";

export class ApiError extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

type Parameters = Record<string, string | number | boolean | null | undefined>;

function address(path: string, parameters: Parameters = {}): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}

async function failure(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { message: string } };
    return new ApiError(error.message, response.status);
  } catch {
    return new ApiError(`the server answered ${response.status}`, response.status);
  }
}

async function ask(path: string, options?: RequestInit): Promise<Response> {
  const response = await fetch(path, options);
  if (!response.ok) throw await failure(response);
  return response;
}

async function get<T>(path: string, parameters?: Parameters): Promise<T> {
  return (await (await ask(address(path, parameters))).json()) as T;
}

export interface Listing {
  order: string;
  tag: string;
  pinned: boolean | null;
  hidden: "only" | null;
}

/** What people ask for, as in index/curation.py. */
export type Edit =
  | { type: "cluster"; cluster: number; name?: string; add_tags?: string[]; remove_tags?: string[]; pinned?: boolean; hidden?: boolean; quarantined?: boolean }
  | { type: "cluster_deletion"; cluster: number }
  | { type: "images"; images: number[]; action: "delete" | "quarantine" | "release" }
  | { type: "source"; url: string; action: "delete" | "quarantine" | "release" }
  | { type: "rollback"; cluster: number; version: number };

/** Which images of a shape are asked for; times are seconds. */
export interface Wanted {
  azimuth?: number;
  elevation?: number;
  since?: number | null;
  until?: number | null;
}

export const status = () => get<LibraryStatus>("/v1/status");
export const shapes = (listing: Listing, limit: number, after: string | null = null) =>
  get<Page<ShapeSummary>>("/v1/shapes", { ...listing, limit, after });
export const shape = (id: number, version: number | null) => get<ShapeSummary>(`/v1/shapes/${id}`, { version });
export const versions = (id: number) => get<Page<ShapeSummary>>(`/v1/shapes/${id}/versions`, { limit: 1000 });
export const cameras = (id: number, version: number) =>
  get<Page<CameraSummary>>(`/v1/shapes/${id}/cameras`, { version, limit: 1000 });
export const compare = (id: number, version: number, other: number) =>
  get<Comparison>(`/v1/shapes/${id}/compare`, { version, other });
export const clusters = (parameters: Parameters) => get<Page<ClusterSummary>>("/v1/clusters", parameters);
export const cluster = (id: number) => get<ClusterSummary>(`/v1/clusters/${id}`);
export const members = (id: number, limit: number, after: string | null = null) =>
  get<Page<ImageSummary>>(`/v1/clusters/${id}/images`, { limit, after });
export const lineage = (cluster: number) => get<Page<LineageSummary>>("/v1/lineage", { cluster, limit: 100 });
export const rejects = (reason: string | null, after: string | null = null) =>
  get<Page<RejectSummary>>("/v1/rejects", { reason, after, limit: 50 });
export const shards = (after: string | null = null) => get<Page<ShardSummary>>("/v1/shards", { after, limit: 20 });
/** The first change there was; null as long as nothing has happened, when no moment can be asked for. */
export const firstChange = async () => (await get<Page<ChangeSummary>>("/v1/changes", { limit: 1 })).items[0] ?? null;
/** What the library holds now, with the latest change; null as long as nothing has happened. */
export const moment = async () => ((await firstChange()) ? momentAt(null) : null);
/** The latest changes up to one, oldest first. */
export const changesUpTo = (last: number, limit: number) =>
  get<Page<ChangeSummary>>("/v1/changes", { since: last < limit ? null : last - limit, limit });
export const momentAt = (images: number | null) => get<ChangeSummary>("/v1/moment", { images });
export const shapesAt = (images: number, limit: number, after: string | null) =>
  get<Page<ShapeSummary>>("/v1/moment/shapes", { images, limit, after });
export const similar = (id: number, by: string, limit: number) => get<Page<SimilarShape>>(`/v1/shapes/${id}/similar`, { by, limit });
export const sights = (id: number, version: number, wanted: Wanted) =>
  get<Page<Sight>>(`/v1/shapes/${id}/images`, { version, ...wanted, limit: 1000 });
export const keypoints = (id: number, version: number) => get<Keypoints>(`/v1/shapes/${id}/keypoints`, { version });
export const pipeline = () => get<PipelineState>("/v1/pipeline");
export const map = () => get<LibraryMap>("/v1/map");
export const mesh = async (id: number, version: number) => (await ask(exportUrl(id, "ply", version))).arrayBuffer();

export const exportUrl = (id: number, format: string, version: number) =>
  address(`/v1/shapes/${id}/export`, { format, version });
export const previewUrl = (id: number, version: number) => address(`/v1/shapes/${id}/preview.png`, { version });
export const cropUrl = (image: number) => `/v1/images/${image}/crop.jpg`;

/** Why the library should not be asked now; empty if nothing speaks against it. */
export async function unready(): Promise<string> {
  const response = await fetch("/readyz");
  return response.ok ? "" : (await failure(response)).message;
}

const send = (path: string, body: unknown): Promise<Response> =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const login = (token: string) => send("/v1/session", { token });

export const edit = async (given: Edit) => (await (await send("/v1/edits", given)).json()) as EditReport;

export async function query(file: Blob, register: number): Promise<QueryMatch[]> {
  const form = new FormData();
  form.append("image", file);
  const response = await ask(address("/v1/query", { limit: 12, register }), { method: "POST", body: form });
  return ((await response.json()) as Page<QueryMatch>).items;
}

export async function similarToMesh(file: Blob, format: string): Promise<SimilarShape[]> {
  const form = new FormData();
  form.append("mesh", file);
  const response = await ask(address("/v1/similar", { format, limit: 12 }), { method: "POST", body: form });
  return ((await response.json()) as Page<SimilarShape>).items;
}
