# Made-up comparisons for the report's tests: jq -n -f report_rows.jq --argjson folds [1,2] ...
def rate($middle): [range(5) | {images_per_s: ($middle * (1 + (. - 2) / 200)), at_s: (1 + . * 60)}];
def layer($name; $ns; $ops; $bytes): {name: $name, kernel: "conv.tile.16x6", ns: $ns, ops: $ops, bytes: $bytes};
def command($device; $model; $fold; $batch): "foldrun bench \($model) --device \($device) --fold \($fold) --batch \($batch)";
def row($machine; $device; $d; $model; $m; $fold; $batch):
  (20000 / ($m + 1) * ($d + 1) * (0.7 + 0.3 * $fold) * (1 + $batch / 10000)) as $middle
  | {machine: $machine, device: $device, engine: "foldrun", version: "0.1.0", model: $model, fold: $fold, round: "floor",
     batch: $batch, precision: "f32", schedule: "auto", copies: true, visits: rate($middle), runs: 250,
     check: "right", max_error: 2.5e-7, failed: false, ops_per_image: 16778672, planned_bytes: 12345678,
     peak_bytes: 23456789, weight_bytes: (123456 * $fold), open_ms: 12.5, first_ms: (1.5 * $d + 1),
     command: command($device; $model; $fold; $batch)}
    + (if $batch == $batches[0] then {layers: [
        layer("conv1"; 4000 / ($d + 1); 1441440; 90000 / ($fold | sqrt)), layer("conv2"; 9000 / ($d + 1); 5398070; 37000 / ($fold | sqrt)),
        layer("fc"; 500 / ($d + 1); 30000; 5000)]} else {} end);
{format: 1, what: "foldrun comparison", foldrun: "0.1.0", command: "foldrun compare -o results.json", seconds: 3600,
 interrupted: false,
 machines: [$machines[] | {id: ., name: "the \(.)", cpu: "A Processor With a Name of Some Length @ 2.00GHz", cores: 2,
                           os: "Some System 12, Linux 6.1 x86_64", memory_bytes: 8e9}],
 devices: [$machines[] as $machine | $devices[]
           | {machine: $machine, id: ., backend: (. | split(":")[0]), title: "A backend", name: "llvmpipe (LLVM 15.0.6, 256 bits)",
              driver: "Mesa 22.3.6", features: "f16 int8", units: 2, memory_bytes: 8e9, peak: {f32: 1.2e11, f16: 2.4e11},
              bandwidth: 1.2e10, quantum: {f32: 16}, clocks: "2.0 of 3.0 GHz",
              profile: ({cpu: $cpu[0], opencl: $opencl[0], vulkan: $vulkan[0]}[split(":")[0]])}],
 rows: [$machines[] as $machine | range($devices | length) as $d | range($models | length) as $m | $folds[] as $fold
        | $batches[] as $batch | row($machine; $devices[$d]; $d; $models[$m]; $m; $fold; $batch)]}
| if $extras then .rows += [
    (.rows[0] | .engine = "onnxruntime" | .version = "1.23.2" | .device = "cpu" | .schedule = "" | .check = "unchecked" | del(.layers)
      | .visits = rate(15000) | .command = "bench/peers --only onnxruntime v1"),
    (.rows[0] | .precision = "int8" | .visits = [] | del(.layers) | .failed = true | .reason = "cpu:0 has no int8 kernel for 'conv1'"),
    (.rows[0] | .precision = "bf16" | .visits = rate(20000) | .copies = false | del(.layers)),
    (.rows[0] | .precision = "f16" | .visits = .visits[:1] | del(.layers))] else . end
