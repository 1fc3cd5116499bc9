/* The glass: draws pictures into panes, all with the same zoom and pan. WebGL 2 exposes scene-linear halves and looks the
   display transform up in a table; without it proxies are drawn plainly, and there is no exposure. */

const VERTEX = `#version 300 es
in vec2 corner; out vec2 uv; uniform vec4 box;
void main() { uv = corner; gl_Position = vec4(box.xy + corner * box.zw, 0.0, 1.0); }`;

const FRAGMENT = `#version 300 es
precision highp float; precision highp sampler3D;
in vec2 uv; out vec4 colour;
uniform sampler2D picture, overlay; uniform sampler3D table;
uniform float gain, opacity, side, low, high; uniform bool scene, over;
void main() {
  vec3 c = texture(picture, uv).rgb;
  if (scene) {
    vec3 log = (log2(max(c * gain, 0.0) + exp2(low)) - low) / (high - low);
    vec3 at = (clamp(log, 0.0, 1.0) * (side - 1.0) + 0.5) / side;
    c = texture(table, at.bgr).rgb;
  }
  if (over) { vec4 o = texture(overlay, uv); c = mix(c, o.rgb, o.a * opacity); }
  colour = vec4(c, 1.0);
}`;

export function makeGlass(canvas, grid) {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: false });
  return gl ? new Glass(gl, canvas, grid) : new PlainGlass(canvas);
}

/* Where a picture lies in a pane: {x, y, w, h} in CSS pixels. */
export function placed(pane, aspect, view) {
  const height = Math.min(pane.h, pane.w / aspect) * view.zoom, width = height * aspect;
  return { x: pane.x + pane.w / 2 - view.x * width, y: pane.y + pane.h / 2 - view.y * height, w: width, h: height };
}

class Glass {
  constructor(gl, canvas, grid) {
    Object.assign(this, { gl, canvas, grid, exposes: true });
    this.mips = Boolean(gl.getExtension("EXT_color_buffer_float") || gl.getExtension("EXT_color_buffer_half_float"));
    this.program = this.compiled();
    gl.useProgram(this.program);
    this.at = {};
    for (const name of ["box", "picture", "overlay", "table", "gain", "opacity", "side", "low", "high", "scene", "over"]) {
      this.at[name] = gl.getUniformLocation(this.program, name);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(this.program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    ["picture", "overlay", "table"].forEach((name, unit) => gl.uniform1i(this.at[name], unit));
    for (const name of ["side", "low", "high"]) gl.uniform1f(this.at[name], grid[name]);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.nothing = this.texture2d((target) => gl.texImage2D(target, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)));
    this.noTable = this.texture3d(1, new Uint16Array(4));
  }

  compiled() {
    const { gl } = this, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`the glass: ${gl.getProgramInfoLog(program)}`);
    return program;
  }

  texture2d(fill, mips = false) {
    const { gl } = this, made = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, made);
    fill(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, mips ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
    if (mips) gl.generateMipmap(gl.TEXTURE_2D);
    return made;
  }

  texture3d(side, data) {
    const { gl } = this, made = gl.createTexture();
    gl.activeTexture(gl.TEXTURE2);
    gl.bindTexture(gl.TEXTURE_3D, made);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGB16F, side, side, side, 0, gl.RGB, gl.HALF_FLOAT, data.subarray(0, side ** 3 * 3));
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(gl.TEXTURE_3D, wrap, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    return made;
  }

  async fromBlob(blob) {
    const { gl } = this, image = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    const texture = this.texture2d((t) => gl.texImage2D(t, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image), true);
    const made = { texture, width: image.width, height: image.height, bytes: image.width * image.height * 5.4, scene: false };
    image.close();
    return made;
  }

  fromHalf(buffer, width, height) {
    const { gl } = this, rgb = new Uint16Array(buffer), rgba = new Uint16Array(width * height * 4);
    for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) {
      rgba[j] = rgb[i]; rgba[j + 1] = rgb[i + 1]; rgba[j + 2] = rgb[i + 2]; rgba[j + 3] = 0x3c00;
    }
    const fill = (t) => gl.texImage2D(t, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, rgba);
    return { texture: this.texture2d(fill, this.mips), width, height, bytes: width * height * 10.7, scene: true };
  }

  fromTable(buffer) {
    return { texture: this.texture3d(this.grid.side, new Uint16Array(buffer)), bytes: buffer.byteLength };
  }

  drop(entry) { if (entry.texture) this.gl.deleteTexture(entry.texture); }

  /* layers: {pane, clip, picture, table, overlay}, first one lowest. look: {view, stops, opacity, room} */
  draw(layers, look) {
    const { gl, canvas } = this, ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(...look.room, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    for (const { pane, clip, picture, table, overlay } of layers) {
      if (!picture) continue;
      const box = placed(pane, picture.width / picture.height, look.view);
      const left = Math.round(clip.x * ratio), right = Math.round((clip.x + clip.w) * ratio);
      const top = Math.round(clip.y * ratio), bottom = Math.round((clip.y + clip.h) * ratio);
      if (right <= left || bottom <= top) continue;
      gl.scissor(left, height - bottom, right - left, bottom - top);
      const sx = 2 * ratio / width, sy = 2 * ratio / height;
      gl.uniform4f(this.at.box, box.x * sx - 1, 1 - box.y * sy, box.w * sx, -box.h * sy);
      const units = [[gl.TEXTURE_2D, picture.texture], [gl.TEXTURE_2D, overlay ? overlay.texture : this.nothing], [gl.TEXTURE_3D, table ? table.texture : this.noTable]];
      units.forEach(([target, texture], unit) => { gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(target, texture); });
      gl.activeTexture(gl.TEXTURE0);
      const pixels = box.w * ratio / picture.width > 3 ? gl.NEAREST : gl.LINEAR;
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, pixels);
      gl.uniform1f(this.at.gain, 2 ** look.stops);
      gl.uniform1f(this.at.opacity, look.opacity);
      gl.uniform1i(this.at.scene, picture.scene && table ? 1 : 0);
      gl.uniform1i(this.at.over, overlay ? 1 : 0);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }
}

class PlainGlass {
  constructor(canvas) { Object.assign(this, { canvas, paper: canvas.getContext("2d"), exposes: false }); }

  async fromBlob(blob) {
    const image = await createImageBitmap(blob);
    return { image, width: image.width, height: image.height, bytes: image.width * image.height * 4, scene: false };
  }

  drop(entry) { entry.image?.close(); }

  draw(layers, look) {
    const { canvas, paper } = this, ratio = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(canvas.clientWidth * ratio), height: Math.round(canvas.clientHeight * ratio) });
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const { pane, clip, picture, overlay } of layers) {
      if (!picture) continue;
      const box = placed(pane, picture.width / picture.height, look.view);
      paper.save();
      paper.beginPath();
      paper.rect(clip.x, clip.y, clip.w, clip.h);
      paper.clip();
      paper.drawImage(picture.image, box.x, box.y, box.w, box.h);
      paper.globalAlpha = look.opacity;
      if (overlay) paper.drawImage(overlay.image, box.x, box.y, box.w, box.h);
      paper.restore();
    }
  }
}
