from unweather import main

main()
