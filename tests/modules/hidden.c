/* What fake_hidden has to offer, where it can be found. */
int fake_hidden(void);

__attribute__((visibility("default"))) int fake_hidden(void) {
    return 1;
}
