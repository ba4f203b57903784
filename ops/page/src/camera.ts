// Recovered cameras in the viewer's axes. Ours are PyTorch3D's (x left, y up, z forward), three.js has OpenGL's
// (x right, y up, z backward): two axes turn round.

import { Matrix4, Vector3 } from "three";

import type { CameraSummary, Vector } from "./types";

const SIGNS: Vector = [-1, 1, -1];
const [NEAR, FAR] = [0.05, 100];

/** From object coordinates to the camera's. */
export function viewMatrix({ R, t }: Pick<CameraSummary, "R" | "t">): Matrix4 {
  const [a, b, c] = [0, 1, 2].map((i) => [...R[i as 0].map((value) => SIGNS[i as 0] * value), SIGNS[i as 0] * t[i as 0]]);
  return new Matrix4().fromArray([...a!, ...b!, ...c!, 0, 0, 0, 1]).transpose();
}

/** Where a camera stands, in object coordinates. */
export function placeOf(camera: Pick<CameraSummary, "R" | "t">): Vector3 {
  return new Vector3().setFromMatrixPosition(viewMatrix(camera).invert());
}

/**
 * The projection of a camera whose square picture is shown as large as fits in the middle of a canvas; the principal
 * point lies off the centre by `offset` halves of its side, x right, y down.
 */
export function projection(fovDegrees: number, aspect: number, [right, down]: [number, number]): Matrix4 {
  const f = 1 / Math.tan((fovDegrees * Math.PI) / 360);
  const [wide, high] = aspect > 1 ? [1 / aspect, 1] : [1, aspect];
  return new Matrix4().set(
    f * wide, 0, -right * wide, 0,
    0, f * high, down * high, 0,
    0, 0, (FAR + NEAR) / (NEAR - FAR), (2 * FAR * NEAR) / (NEAR - FAR),
    0, 0, -1, 0,
  );
}
