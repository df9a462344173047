# models and show: figures to the last digit.
. "${BASH_SOURCE%/*}/lib.sh"

run models
expect_rc 0
run models --json
expect_rc 0
expect_jq '.models | length >= 21'
expect_jq '[.models[].name] | (unique | length) == length'
for name in v1 v2 v3 v4 v5 v6 n1 n2 n3 n4 g32 g64 alexnet vgg16 resnet18 resnet50 cifar_resnet18 mobilenet_v1 mobilenet_v2 mnasnet squeezenet googlenet; do
    expect_jq "[.models[] | select(.name == \"$name\")] | length == 1"
done

# name, title, image, classes, operations of an input at f = 1 and f = 4
while read -r name title channels height width classes plain folded; do
    run show "$name" --json
    expect_rc 0
    expect_jq ".name == \"$name\" and .title == \"$title\" and .fold == 1 and .images_per_input == 1"
    expect_jq ".channels == $channels and .height == $height and .width == $width and .classes == $classes"
    expect_jq ".ops_per_input == $plain and .ops_per_image == $plain"
    expect_jq "([.layers[].ops_per_input] | add) == $plain and ([.layers[].params] | add) == .params"
    run show "$name" --fold 4 --json
    expect_rc 0
    expect_jq ".fold == 4 and .images_per_input == 4 and .ops_per_input == $folded and .ops_per_image == $folded / 4"
    expect_jq ".input_channels == 4 * $channels and .classes == $classes"
done << 'TABLE'
v1 lol-gold1 3 22 52 11 16778672 74796928
v2 apex-count 3 19 25 22 7171808 31882816
v3 sot-coin 3 17 40 15 10128224 45079744
v4 sot-time 3 22 30 27 14558784 62633856
v5 lol-gold2 3 22 52 111 16831472 75219328
v6 lol-time 3 15 35 62 7904560 35187296
n1 coral 3 50 50 2 16400512 73924096
n2 night 3 50 50 2 16400512 73924096
n3 roundabout 3 50 50 2 120589952 498680320
n4 taipei 3 50 50 2 196160128 817921024
TABLE

# The worked example: conv 32->32, 3x3, on 11x26 maps, half precision, 1024 images, folded by 4. It is the second layer here.
cat > example.fold << 'MODEL'
model example "worked example"
input 3x11x26
conv 32 3x3 pad 1 relu
conv 32 3x3 pad 1 relu
flatten
fc 10
MODEL
run show example.fold --precision f16 --batch 1024 --json
expect_rc 0
layer='[.layers[] | select(.kind == "conv")][1]'
expect_jq "$layer | (.activation_bytes / 2 / 1e4 | round) == 1874 and (.flops / 1e4 | round) == 539807"
expect_jq "$layer | ((.activation_bytes + .weight_bytes) / 1e4 | round) == 3751 and (.arithmetic_intensity * 100 | round) == 14393"
expect_jq "$layer | .nhw == 1024 * 11 * 26 and .fold_lowers_traffic"
# (f-1)*Ci*Kh*Kw*Co / ((1 - 1/sqrt(f)) * (Ci + Co)) = 3*32*9*32 / (0.5 * 64) = 864
expect_jq "$layer | .nhw_threshold == 864"
run show example.fold --precision f16 --batch 1024 --fold 4 --json
expect_jq "$layer | (.activation_bytes / 2 / 1e4 | round) == 937 and (.flops / 1e4 | round) == 539807"
expect_jq "$layer | ((.activation_bytes + .weight_bytes) / 1e4 | round) == 1882 and (.arithmetic_intensity * 100 | round) == 28687"

# batch 1: 286 places are not more than the threshold of 864
run show example.fold --batch 1 --json
expect_jq "$layer | .nhw == 286 and (.fold_lowers_traffic | not)"

# widths: floor(32*sqrt(f)), and the roundings
widths='[.layers[] | select(.kind == "conv") | .out[0]][0]'
run show v1 --fold 2 --json && expect_jq "$widths == 45"
run show v1 --fold 3 --json && expect_jq "$widths == 55"
run show v1 --fold 2 --round up:16 --json && expect_jq "$widths == 48"
run show v1 --fold 2 --round down:16 --json && expect_jq "$widths == 32"
run show v1 --fold 3 --round nearest:16 --json && expect_jq "$widths == 48"
for fold in 1 2 3 5 7 11 13 16; do
    run show v1 --fold $fold --json
    expect_rc 0
    expect_jq ".fold == $fold and .input_channels == 3 * $fold and .layers[-1].out[0] == 11 * $fold"
done

# text says the same
run show v1 --layers
expect_rc 0
expect_out "16,778,672"
expect_out "conv5"
run show V1
expect_rc 0

refuse 5 "did you mean 'v1'" show v11
refuse 5 "did you mean 'resnet50'" show resnet5O
refuse 5 "there is no model 'zzzzzz'" show zzzzzz
refuse 5 "no-such.fold" show no-such.fold
refuse 5 "is a folder" show "$work"
printf 'model x "x"\ninput 3x8x8\nconv 8 3x3 pad 1\nfc many\n' > bad.fold
refuse 5 "bad.fold" show bad.fold
finish
