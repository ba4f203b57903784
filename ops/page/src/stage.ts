// What both 3D views share: a renderer, the light, the material and one mesh.

import {
  BufferGeometry, Color, DirectionalLight, DoubleSide, HemisphereLight, Mesh, MeshStandardMaterial, Scene,
  WebGLRenderer,
} from "three";
import type { Camera } from "three";

const CLAY = new Color("#c7bdb0");
const WHITE = new Color("#ffffff");

export class Stage {
  readonly scene = new Scene();
  readonly mesh: Mesh<BufferGeometry, MeshStandardMaterial>;
  private readonly renderer: WebGLRenderer;

  /** Raises an error where the browser has no WebGL 2. */
  constructor(readonly canvas: HTMLCanvasElement) {
    if (!canvas.getContext("webgl2", { antialias: true, alpha: true })) {
      throw new Error("this browser has no WebGL 2, so shapes can't be shown in 3D");
    }
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio || 1, 2));
    const material = new MeshStandardMaterial({ roughness: 0.75, metalness: 0, side: DoubleSide });
    this.mesh = new Mesh(new BufferGeometry(), material);
    const key = new DirectionalLight("#fff2e2", 2.2);
    key.position.set(-1, 1.7, 1.4);
    const rest = new DirectionalLight("#dbe4ff", 0.7);
    rest.position.set(1.6, 0.2, -1);
    this.scene.add(this.mesh, key, rest, new HemisphereLight("#e8eefc", "#8d8074", 1.5));
  }

  setGeometry(geometry: BufferGeometry): void {
    this.mesh.geometry = geometry;
    this.setClay(false);
  }

  setClay(clay: boolean): void {
    const coloured = !clay && this.mesh.geometry.hasAttribute("color");
    this.mesh.material.vertexColors = coloured;
    this.mesh.material.color = coloured ? WHITE : CLAY;
    this.mesh.material.needsUpdate = true;
  }

  resize(width: number, height: number): void {
    this.renderer.setSize(Math.max(1, width), Math.max(1, height), false);
  }

  render(camera: Camera): void {
    this.renderer.render(this.scene, camera);
    this.canvas.dataset.triangles = String(this.renderer.info.render.triangles);
  }

  close(): void {
    this.mesh.material.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}
