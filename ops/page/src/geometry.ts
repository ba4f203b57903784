// The mesh of a version of a shape, as it is kept: PLY with colours.

import type { BufferGeometry } from "three";
import { PLYLoader } from "three/examples/jsm/loaders/PLYLoader.js";

import * as api from "./api";

export async function loadGeometry(shape: number, version: number): Promise<BufferGeometry> {
  const geometry = new PLYLoader().parse(await api.mesh(shape, version));
  if (!geometry.getAttribute("normal")) geometry.computeVertexNormals();
  return geometry;
}
