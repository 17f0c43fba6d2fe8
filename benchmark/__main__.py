from benchmark.core.environment import exit_without_package

try:
    from benchmark.cli import main
except ModuleNotFoundError as error:
    exit_without_package(error)

main()
