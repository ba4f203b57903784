// The keypoints of a shape and the edges between them, drawn through the surface.

import {
  BufferGeometry, Color, Float32BufferAttribute, Group, InstancedMesh, LineBasicMaterial, LineSegments, Matrix4,
  MeshBasicMaterial, SphereGeometry,
} from "three";

import type { Keypoints } from "./types";

const RADIUS = 0.014;
const POINT = new Color("#d0308c");
const EDGE = new Color("#7a3fc0");

export class Skeleton {
  readonly group = new Group();
  private readonly ball = new SphereGeometry(RADIUS, 12, 8);
  private readonly paint = new MeshBasicMaterial({ color: POINT, depthTest: false, transparent: true });
  private readonly ink = new LineBasicMaterial({ color: EDGE, depthTest: false, transparent: true });
  private readonly lines = new BufferGeometry();
  private readonly balls: InstancedMesh;

  constructor({ points, edges }: Pick<Keypoints, "points" | "edges">) {
    this.balls = new InstancedMesh(this.ball, this.paint, points.length);
    points.forEach((point, i) => this.balls.setMatrixAt(i, new Matrix4().makeTranslation(...point)));
    const ends = edges.flatMap(([from, to]) => [...(points[from] ?? []), ...(points[to] ?? [])]);
    this.lines.setAttribute("position", new Float32BufferAttribute(ends, 3));
    const joints = new LineSegments(this.lines, this.ink);
    joints.renderOrder = 1;
    this.balls.renderOrder = 2;
    this.group.add(joints, this.balls);
  }

  close(): void {
    this.balls.dispose();
    for (const each of [this.ball, this.paint, this.ink, this.lines]) each.dispose();
  }
}
