// What the API answers with, field by field as in index/summaries.py, daemon/query.py and their neighbours.

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface LibraryStatus {
  backbone: string;
  fingerprint: string;
  clusterer: string;
  images: number;
  rejected: number;
  rejects_by_reason: Record<string, number>;
  shards: number;
  shards_done: number;
  clusters: number;
  outliers: number;
  shapes: number;
  reconstructions: number;
  quarantined: number;
  store_bytes: number;
}

export interface ClusterSummary {
  id: number;
  size: number;
  state: string;
  born: number;
  attempts: number;
  verdict: string;
  reason: string;
  version: number;
  failures: number;
  quarantined: boolean;
  growth: number;
  name: string;
  tags: string[];
  pinned: boolean;
  hidden: boolean;
  seconds: number;
}

export interface ShapeSummary {
  id: number;
  version: number;
  outcome: string;
  verdict: string;
  reason: string;
  images: number;
  views: number;
  loss: number;
  baseline_loss: number;
  silhouette_iou: number;
  feature_distance: number;
  warm: boolean;
  seconds: number;
  vertices: number;
  faces: number;
  at: number;
  time: number;
  growth: number;
  name: string;
  tags: string[];
  pinned: boolean;
  hidden: boolean;
  judge: string;
  before: number;
  held_out: number;
  held_out_loss: number;
  level: number;
  source: number;
  certainty: number | null;
}

export interface ImageSummary {
  id: number;
  key: string;
  shard: string;
  url: string;
  width: number;
  height: number;
  box: [number, number, number, number];
  foreground: number;
  cluster: number | null;
  strength: number;
  time: number;
  quarantined: boolean;
  copies: number;
  object: number;
}

export type Vector = [number, number, number];

/** Another pose that an image may have been taken from, as a camera, with its odds of 1 as `weight`. */
export interface PoseSummary {
  R: [Vector, Vector, Vector];
  t: Vector;
  fov: number;
  offset: [number, number];
  weight: number;
}

/** PyTorch3D axes, `x_cam = R x_obj + t`; angles in degrees, `offset` in half crop sides. */
export interface CameraSummary {
  image: number;
  R: [Vector, Vector, Vector];
  t: Vector;
  fov: number;
  offset: [number, number];
  loss: number;
  weight: number;
  certainty: number | null;
  alternatives: PoseSummary[];
  at: number;
}

export interface RejectSummary {
  id: number;
  shard: string;
  key: string;
  reason: string;
  detail: string;
  time: number;
  of: number | null;
}

export interface LineageSummary {
  kind: string;
  cluster: number;
  others: number[];
  at: number;
  time: number;
}

export interface ShardSummary {
  url: string;
  cursor: number;
  done: boolean;
  stored: number;
  rejected: number;
  deleted: number;
  blocked: boolean;
  quarantined: boolean;
}

export interface ChangeSummary {
  id: number;
  kind: string;
  at: number;
  time: number;
  cluster: number | null;
  others: number[];
  version: number | null;
  count: number;
  detail: string;
  images: number;
  clusters: number;
  shapes: number;
  loss: number;
}

export interface Comparison {
  version: ShapeSummary;
  other: ShapeSummary;
  loss_change: number;
  iou_change: number;
  images_gained: number[];
  images_lost: number[];
  images_kept: number;
  turn: number | null;
  camera_change: number | null;
}

export interface Registration {
  R: [Vector, Vector, Vector];
  t: Vector;
  fov: number;
  offset: [number, number];
  box: [number, number, number, number];
  azimuth: number;
  elevation: number;
  loss: number;
  certainty: number | null;
  alternatives: PoseSummary[];
  stranger: boolean;
  overlay: string;
}

export interface QueryMatch {
  cluster: number;
  score: number;
  votes: number;
  size: number;
  nearest_image: number;
  shape: ShapeSummary | null;
  registration: Registration | null;
}

export interface SimilarShape {
  shape: ShapeSummary;
  form: number;
  turn: number;
  look: number | null;
}

export interface Sight {
  image: ImageSummary;
  loss: number;
  azimuth: number;
  elevation: number;
  away: number;
}

export interface KeypointSight {
  image: number;
  pixels: [number, number][];
  visible: boolean[];
  coefficients: number[];
}

export interface Keypoints {
  shape: number;
  version: number;
  points: Vector[];
  edges: [number, number][];
  bases: Vector[][];
  residual: number;
  residual_left: number;
  original: boolean;
  images: KeypointSight[];
}

export interface EditReport {
  changed: boolean;
  images: number;
}

/** Of the daemon in the server's process; all zero where none runs. */
export interface PipelineState {
  running: boolean;
  said: string;
  shard: string;
  waiting_shards: number;
  images_per_second: number;
  in_flight: number;
  recon_queue: number;
  recon_running: number;
  stage_seconds: Record<string, number>;
}

export interface MapPoint {
  cluster: number;
  x: number;
  y: number;
  size: number;
  version: number;
  loss: number;
  name: string;
}

/** The largest of `clusters` open clusters; `explained` is the share of their variance that two axes hold. */
export interface LibraryMap {
  points: MapPoint[];
  clusters: number;
  explained: number;
}
