# Evaluates every output of flake.nix against a stand-in for nixpkgs, which has only what stands here: a name that flake.nix
# asks for and that is not listed is an error. What a function of nixpkgs is given comes back in its result.
let
  derivation = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/${name}";
  };
  made = name: arguments: derivation name // { inherit arguments; };
  legacyPackages = system: {
    bun = derivation "bun";
    cacert = derivation "cacert";
    git = derivation "git";
    gnumake = derivation "gnumake";
    go = derivation "go";
    grpcurl = derivation "grpcurl";
    jdk = derivation "jdk";
    maven = derivation "maven";
    nixfmt-rfc-style = derivation "nixfmt";
    nodejs_22 = derivation "nodejs";
    postgresql = derivation "postgresql";
    python3 = derivation "python3";
    tzdata = derivation "tzdata";
    stdenv.hostPlatform.isLinux = builtins.match ".*-linux" system != null;
    mkShell = made "shell";
    runCommand = name: arguments: script: made name (arguments // { inherit script; });
    buildNpmPackage =
      arguments@{
        pname,
        version,
        src,
        npmDeps,
        ...
      }:
      made pname arguments;
    importNpmLock = {
      __functor =
        _:
        { npmRoot }:
        derivation "npm-deps"
        // {
          # As in nixpkgs, every package has to have an address and a hash.
          packages = builtins.mapAttrs (path: entry: [
            entry.resolved
            entry.integrity
          ]) (removeAttrs (builtins.fromJSON (builtins.readFile (npmRoot + "/package-lock.json"))).packages [ "" ]);
        };
      npmConfigHook = derivation "npm-config-hook";
    };
    dockerTools.buildLayeredImage = arguments@{ name, config, ... }: made "image-${name}" arguments;
  };
  nixpkgs = {
    lib = {
      genAttrs =
        names: make:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = make name;
          }) names
        );
      importJSON = path: builtins.fromJSON (builtins.readFile path);
      optionalAttrs = condition: attributes: if condition then attributes else { };
      licenses.mit = "mit";
    };
    legacyPackages = builtins.listToAttrs (
      map
        (system: {
          name = system;
          value = legacyPackages system;
        })
        [
          "x86_64-linux"
          "aarch64-linux"
          "x86_64-darwin"
          "aarch64-darwin"
        ]
    );
  };
  # Builders and their arguments, without functions, so that all of it can be printed; JSON would have of a derivation its
  # outPath alone.
  shown =
    value:
    if builtins.isAttrs value then
      builtins.mapAttrs (_: shown) (
        removeAttrs value [
          "__functor"
          "outPath"
        ]
      )
      // (if value ? outPath then { path = value.outPath; } else { })
    else if builtins.isList value then
      map shown value
    else if builtins.isPath value then
      baseNameOf value
    else
      value;
in
shown (
  (import ../../../flake.nix).outputs {
    self = derivation "source";
    inherit nixpkgs;
  }
)
