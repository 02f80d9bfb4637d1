import json
import os
import sys

assert sorted(os.listdir(".")) == ["logs", "outputs", "say.py"], os.listdir(".")
*words, said = sys.argv[1:]
with open(said, "w") as file:
    json.dump(words[:-1], file)
